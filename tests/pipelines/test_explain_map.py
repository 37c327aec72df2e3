"""The map: a cell comes to lie where it was measured, on the frame and on the picture, and everything adds up."""

import cv2
import numpy as np
import pytest

from features import profiles
from features.decode import Pixels
from features.embedding import network_params
from features.faces import Face
from features.frame import WORKING_SIZE, Frame
from features.framing import Framed, cut, square_of
from features.geometry import apply
from models.contributions import Contributions, cells_of
from pipelines import explain_map
from pipelines.explain_map import ROWS, SIDE, lay_on, lay_out, paint, placed_share, rows_of, smooth, to_picture

NAMES = profiles.feature_set("full", network_params(b"network", "lite0")).names


def only(amounts: dict[str, float]) -> Contributions:
    found = np.array([amounts.get(name, 0.0) for name in NAMES])
    return Contributions(NAMES, np.zeros(len(NAMES), np.float32), found, base=0.0)


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("grid.dct.h1.r6c0", (192, 224), (0, 32)),
        ("grid.color.cr.r3c5", (84, 112), (140, 168)),
        ("texture.lbp_grid.y2.ri4.r1c2", (56, 112), (112, 168)),
    ],
)
def test_a_cell_is_laid_where_it_was_measured(name: str, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    found = lay_out(only({name: -0.5, "color.global.mean.y": 3.0, "grid.dct.h1.mean": 1.0}))
    scale = WORKING_SIZE // SIDE
    expected = np.zeros((SIDE, SIDE))
    cell = expected[rows[0] // scale : rows[1] // scale, columns[0] // scale : columns[1] // scale]
    cell[:] = -0.5 / cell.size
    assert found == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("block", ["grid.dct.h2", "grid.color.y", "grid.chroma_noise.cb", "texture.lbp_grid.y1.ri9"])
def test_what_is_drawn_at_a_cell_is_measured_there(block: str) -> None:
    """A change of the pixels of one cell moves the value of that cell more than any other of its grid."""
    names = [name for name in NAMES if name.startswith(f"{block}.r")]
    rng = np.random.default_rng(0)
    plain = np.asarray(cv2.GaussianBlur(rng.integers(60, 200, (224, 224, 3)).astype(np.uint8), (0, 0), 3), np.uint8)
    for name in (names[1], names[len(names) // 2], names[-2]):
        where = lay_out(only({name: 1.0})).repeat(4, axis=0).repeat(4, axis=1) > 0
        noise = np.clip(plain.astype(int) + rng.normal(20, 30, plain.shape), 0, 255).astype(np.uint8)
        changed = np.where(where[..., None], noise, plain).astype(np.uint8)
        fast = profiles.feature_set("fast")
        before, after = (
            dict(zip(fast.names, fast.compute(Frame.of(bgr)).tolist(), strict=True)) for bgr in (plain, changed)
        )
        moved = {one: abs(after[one] - before[one]) for one in names}
        assert max(moved, key=moved.__getitem__) == name


def test_every_grid_has_its_edges_on_the_points_of_the_map() -> None:
    sides = {cell.side for cell in cells_of(NAMES) if cell}
    assert sides == {4, 7, 8}
    assert all(SIDE % side == 0 for side in sides)


def test_the_map_adds_up_to_what_has_a_place() -> None:
    rng = np.random.default_rng(1)
    amounts = rng.normal(size=len(NAMES))
    found = Contributions(NAMES, np.zeros(len(NAMES), np.float32), amounts, base=0.3)
    placed = np.array([cell is not None for cell in cells_of(NAMES)])
    laid = lay_out(found)
    assert laid.sum() == pytest.approx(amounts[placed].sum())
    assert smooth(laid).sum() == pytest.approx(amounts[placed].sum())
    rows = rows_of(laid)
    assert (len(rows), {len(row) for row in rows}) == (ROWS, {ROWS})
    assert np.sum(rows) == pytest.approx(amounts[placed].sum(), abs=1e-3)
    assert placed_share(found) == pytest.approx(np.abs(amounts[placed]).sum() / np.abs(amounts).sum())


def test_rows_start_at_the_top_left() -> None:
    rows = np.array(rows_of(lay_out(only({"grid.color.y.r0c7": 1.0}))))
    assert (rows[:3, 25:] > 0).all()
    assert rows[:4, 24:].sum() == pytest.approx(1.0, abs=1e-4)


def test_the_share_that_has_a_place_is_counted_without_signs() -> None:
    found = only({"grid.dct.h1.r0c0": -1.0, "grid.dct.h1.r0c1": 1.0, "grid.dct.h1.mean": -2.0})
    assert placed_share(found) == 0.5
    assert placed_share(only({})) == 0.0


def test_smoothing_keeps_signs_and_places() -> None:
    heat = smooth(lay_out(only({"grid.color.cr.r1c6": 1.0, "grid.color.cr.r6c1": -1.0})))
    assert heat.shape == (WORKING_SIZE, WORKING_SIZE)
    assert np.unravel_index(heat.argmax(), heat.shape) == pytest.approx((41.5, 181.5), abs=1)
    assert np.unravel_index(heat.argmin(), heat.shape) == pytest.approx((181.5, 41.5), abs=1)
    assert heat.max() == pytest.approx(-heat.min())


def face(roll: float, size: float = 250.0, x: float = 420.0, y: float = 300.0) -> Face:
    """A face whose nose lies at the middle of its box, turned clockwise."""
    angle = np.radians(roll)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.array([[-0.2, -0.2], [0.2, -0.2], [0, 0], [0, 0.2], [-0.4, -0.1], [0.4, -0.1]]) * size
    keypoints = (points @ turn.T + (x, y)).astype(np.float32)
    return Face(np.array([x, y], np.float32), size, keypoints, 0.99)


def framed(picture: Pixels, found: Face) -> Framed:
    pixels, square = cut(picture, square_of(found))
    return Framed(np.ascontiguousarray(pixels), found, square, None, None)


def marked(x: int, y: int, height: int = 640, width: int = 900) -> Pixels:
    """A dark picture with a bright soft spot."""
    picture = np.zeros((height, width, 3), np.float32)
    picture[y, x] = 1
    spot = cv2.GaussianBlur(picture, (0, 0), 6)
    return np.asarray(np.rint(spot / spot.max() * 255), np.uint8)


def middle(plane: np.ndarray) -> tuple[float, float]:
    """Centre of mass, x and y, in pixels from the corner."""
    rows, columns = np.mgrid[: plane.shape[0], : plane.shape[1]] + 0.5
    total = float(plane.sum())
    return float((columns * plane).sum() / total), float((rows * plane).sum() / total)


@pytest.mark.parametrize("roll", [0.0, 12.0, 40.0, 90.0, -90.0, 178.0, -130.0])
@pytest.mark.parametrize("size", [120.0, 205.0, 333.0])
def test_a_place_on_the_frame_goes_back_to_the_picture(roll: float, size: float) -> None:
    found = face(roll, size)
    square = square_of(found)
    x, y = (round(float(at) + 0.2 * size) for at in square.center)
    picture = marked(x, y)
    crop = framed(picture, found)
    seen = crop.frame.bgr[..., 0].astype(np.float64)
    move = to_picture(crop, *picture.shape[:2])
    back = apply(move, np.array(middle(seen), np.float32))
    assert back == pytest.approx((x + 0.5, y + 0.5), abs=0.6)
    laid = lay_on(seen, move, *picture.shape[:2])
    assert middle(laid) == pytest.approx((x + 0.5, y + 0.5), abs=0.6)
    assert np.abs(laid - picture[..., 0]).max() < 40


def test_a_square_at_the_border_goes_back_to_where_it_was_moved() -> None:
    picture = marked(60, 80)
    crop = framed(picture, face(0.0, 250.0, 60.0, 90.0))
    assert crop.square is not None
    assert crop.square[0] == 0
    laid = lay_on(crop.frame.bgr[..., 0].astype(np.float64), to_picture(crop, *picture.shape[:2]), *picture.shape[:2])
    assert middle(laid) == pytest.approx((60.5, 80.5), abs=0.6)


def test_a_whole_picture_is_stretched_back() -> None:
    picture = marked(700, 100)
    seen = Frame.of(picture).bgr[..., 0].astype(np.float64)
    laid = lay_on(seen, to_picture(None, *picture.shape[:2]), *picture.shape[:2])
    assert middle(laid) == pytest.approx((700.5, 100.5), abs=0.6)


def test_outside_the_square_the_map_is_empty() -> None:
    picture = np.zeros((640, 900, 3), np.uint8)
    crop = framed(picture, face(0.0))
    left, top, side, _ = crop.square or (0, 0, 0, 0)
    laid = lay_on(np.ones((224, 224)), to_picture(crop, 640, 900), 640, 900)
    assert laid[top + 2 : top + side - 2, left + 2 : left + side - 2] == pytest.approx(1.0)
    laid[top - 1 : top + side + 1, left - 1 : left + side + 1] = 0
    assert (laid == 0).all()


def test_paint_tints_by_sign_and_leaves_the_rest() -> None:
    grey = np.full((4, 4, 3), 128, np.uint8)
    heat = np.zeros((4, 4))
    heat[0, 0], heat[1, 1], heat[2, 2], heat[3, 3] = 1.0, -1.0, 0.5, 9.0
    made = paint(grey, heat, 1.0)
    assert made[0, 0, 2] > made[0, 0, 0]
    assert made[1, 1, 0] > made[1, 1, 2]
    assert (np.abs(made[2, 2].astype(int) - 128) < np.abs(made[0, 0].astype(int) - 128)).all()
    assert (made[3, 3] == made[0, 0]).all()
    assert (made[0, 1] == 128).all()
    assert (paint(grey, np.zeros((4, 4)), 0.0) == grey).all()
    assert explain_map.SIDE % explain_map.ROWS == 0


def test_cells_where_the_network_sees_more_than_elsewhere_stand_out() -> None:
    names = profiles.feature_set("full", network_params(b"network", "lite0", ("found", "forged"), located=True)).names
    values, amounts = np.zeros(len(names), np.float32), np.zeros(len(names))
    cells = [at for at, name in enumerate(names) if name.startswith("embedding.map.")]
    values[cells] = -4
    amounts[names.index("embedding.logit.forged")] = -1.2
    assert not lay_out(Contributions(names, values, amounts, base=0.0)).any()
    values[names.index("embedding.map.value.r2c5")] = 0.9
    laid = lay_out(Contributions(names, values, amounts, base=0.0))
    assert laid.sum() == pytest.approx(0, abs=1e-12)
    assert laid[16:24, 40:48].sum() == pytest.approx((0.9 - (0.9 - 48 * 4) / 49) / 49)
    assert laid[:8, :8].sum() == pytest.approx((-4 - (0.9 - 48 * 4) / 49) / 49)
    amounts[names.index("embedding.map.value.r0c0")] = 0.3
    assert placed_share(Contributions(names, values, amounts, base=0.0)) == pytest.approx(0.2)
