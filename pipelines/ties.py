"""What belongs together because something ties it, directly or through others."""

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["tie"]


def tie(sets: Iterable[Sequence[str]]) -> Mapping[str, str]:
    """Tie together the names that occur in one set, and all that is tied to them: connected components.

    Parameters
    ----------
    sets : iterable of sequences of str
        Each not empty.

    Returns
    -------
    mapping
        Every name to the first of those it is tied to: the shortest, and of these the least.

    References
    ----------
    Tarjan 1975, DOI 10.1145/321879.321884
    """
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while (parent := parents.setdefault(name, name)) != name:
            parents[name] = name = parents[parent]
        return name

    for names in sets:
        for name in names:
            first, second = sorted((root(names[0]), root(name)), key=lambda found: (len(found), found))
            parents[second] = first
    return {name: root(name) for name in parents}
