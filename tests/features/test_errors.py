"""The tree of exceptions: drawn as it is, exported whole, and speaking plainly."""

import copy
import inspect
import re

import pytest

from features import errors

CLASSES: dict[str, type[errors.FauxfaceError]] = {
    name: found
    for name, found in vars(errors).items()
    if inspect.isclass(found) and issubclass(found, errors.FauxfaceError)
}


def test_the_drawn_tree_is_the_tree() -> None:
    stack: list[str] = []
    drawn: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"((?:│   )?(?:[├└]── )?)(\w+Error)\b", line):
            depth = len(found[1]) // 4
            stack[depth:] = [found[2]]
            drawn[found[2]] = stack[depth - 1] if depth else "Exception"
    assert drawn == {name: found.__base__.__name__ for name, found in CLASSES.items() if found.__base__}


def test_all_is_sorted_and_complete() -> None:
    assert errors.__all__ == [*sorted(CLASSES), "reason_of"]


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"FauxfaceError"}))
def test_codes_are_the_names_in_snake_case(name: str) -> None:
    words = re.findall("[A-Z][a-z]*", name.removesuffix("Error"))
    assert CLASSES[name].code == "_".join(words).lower()


def test_codes_are_distinct() -> None:
    assert len({found.code for found in CLASSES.values()}) == len(CLASSES)


def test_every_class_says_what_it_means() -> None:
    assert all((found.__doc__ or "").strip().endswith(".") or found.code == "fauxface" for found in CLASSES.values())


def test_an_unknown_name_gets_the_nearest() -> None:
    error = errors.UnknownNameError("block", "dct.moment", ["dct.moments", "color.global"])
    assert str(error) == "no block 'dct.moment'; did you mean 'dct.moments'?"


def test_a_far_name_gets_them_all() -> None:
    assert str(errors.UnknownNameError("profile", "zzz", {"full", "fast"})) == "no profile 'zzz'; known: fast, full"


@pytest.mark.parametrize(
    "error",
    [
        errors.CorruptImageError("cut"),
        errors.UnknownNameError("block", "a", ["b"]),
        errors.MissingExtraError("torch", "neural"),
    ],
)
def test_errors_come_home_from_worker_processes(error: errors.FauxfaceError) -> None:
    returned = copy.copy(error)  # by __reduce__, as between processes
    assert type(returned) is type(error)
    assert str(returned) == str(error)


def test_a_missing_extra_says_what_to_install() -> None:
    error = errors.MissingExtraError("torch", "neural")
    assert "pip install 'fauxface[neural]'" in str(error)
    assert "torch" in str(error)


def test_the_reason_is_the_systems_own_words_in_lower_case() -> None:
    assert errors.reason_of(OSError(28, "No space left on device", "/full/disk")) == "no space left on device"
    assert errors.reason_of(OSError("Cannot Seek")) == "cannot seek"
