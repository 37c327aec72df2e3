"""Training steps: what they change, how fast, and that they can be repeated."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from features.decode import Pixels
from features.device import DEVICES, Device
from features.errors import FauxfaceError
from features.imagenet import transfer
from features.network import Network
from models.cnn import Plan, Settings, Targets, Trainer, fit_plan, rate_at, scores
from tests.images import photo

CPU = DEVICES["cpu"]
LABELS = np.array([0, 0, 1, 1])
GENTLE = Settings(rate=1e-4)


@pytest.fixture(scope="module")
def trunk() -> Network:
    torch.set_num_threads(1)  # on pictures this small, threads only wait for each other
    return transfer("lite0")


def batch(step: int) -> tuple[Pixels, Targets]:
    """Small pictures, the fakes brighter."""
    pictures = [photo(4 * step + i, 64) // 2 + 100 * label for i, label in enumerate(LABELS)]
    return np.stack(pictures).astype(np.uint8), Targets(LABELS)


def trainer(trunk: Network, plan: Plan, settings: Settings = GENTLE, device: Device = CPU) -> Trainer:
    return Trainer(copy.deepcopy(trunk), settings, plan, seed=1, device=device)


def changed(now: Network, before: Network) -> set[str]:
    pairs = zip(now.named_parameters(), before.parameters(), strict=True)
    return {name for (name, weight), old in pairs if not torch.equal(weight, old)}


def test_the_head_learns_first_and_alone(trunk: Network) -> None:
    task = trainer(trunk, Plan(steps=3, head_steps=2))
    task.step(*batch(0))
    task.step(*batch(1))
    assert changed(task.network, trunk) == {"classifier.weight", "classifier.bias"}
    task.step(*batch(2))
    assert changed(task.network, trunk) == {name for name, _ in trunk.named_parameters()}


def test_steps_teach(trunk: Network) -> None:
    task = trainer(trunk, Plan(steps=8, head_steps=2), replace(GENTLE, average=0.0))
    losses = [task.step(*batch(step)) for step in range(8)]
    assert losses[0] == pytest.approx(math.log(2))  # undecided, whatever the labels
    found = scores(task.average, [batch(100)[0]], CPU).logits[:, 0]
    assert found[2:].min() > found[:2].max()


def test_early_layers_learn_more_slowly_and_only_kernels_decay(trunk: Network) -> None:
    task = trainer(trunk, Plan(steps=4, head_steps=0), replace(GENTLE, early=0.5))
    rates, decays = {}, {}
    for group, (name, weight) in zip(task._optimizer.param_groups, trunk.named_parameters(), strict=True):
        rates[name], decays[name] = group["share"], (weight.ndim > 1, group["weight_decay"] > 0)
    named = ("stem.weight", "stages.0.0.project.weight", "stages.6.0.expand.bias", "head.bias", "classifier.weight")
    assert [rates[name] for name in named] == [0.5**8, 0.5**7, 0.5, 1, 1]
    assert all(kernel == decayed for kernel, decayed in decays.values())


def test_the_rate_rises_and_falls() -> None:
    plan, settings = Plan(steps=120, head_steps=20), Settings(rate=1.0, head_rate=0.3, warmup=0.1)
    rates = np.array([rate_at(step, plan, settings) for step in range(120)])
    assert (rates[:20] == 0.3).all()
    assert rates[20:30] == pytest.approx((np.arange(10) + 0.5) / 10)
    assert (np.diff(rates[30:]) < 0).all()
    assert rates[30:].max() == pytest.approx(1, abs=1e-3)
    assert rates[74] == pytest.approx(0.5, abs=0.02)  # half way down
    assert 0 < rates[-1] < 1e-3


def test_a_head_is_trained_alone_only_where_it_is_new(trunk: Network) -> None:
    settings = Settings(head_share=0.1)
    assert Plan.of(50, trunk, settings) == Plan(50, 5)
    trained = copy.deepcopy(trunk)
    torch.nn.init.ones_(trained.classifier.weight)
    assert Plan.of(50, trained, settings) == Plan(50, 0)


def test_the_average_follows_the_weights(trunk: Network) -> None:
    task = trainer(trunk, Plan(steps=30, head_steps=30), replace(GENTLE, average=0.5, head_rate=0.01))
    expected = torch.zeros_like(trunk.classifier.weight)
    for step in range(12):
        task.step(*batch(step % 2))
        kept = min(0.5, (step + 1) / (step + 10))
        expected = kept * expected + (1 - kept) * task.network.classifier.weight.detach()
        assert torch.allclose(task.average.classifier.weight, expected, atol=1e-6)
    assert not task.average.training


def test_labels_are_smoothed(trunk: Network) -> None:
    undecided = trainer(trunk, Plan(1, 1), replace(GENTLE, smoothing=0.2))
    torch.nn.init.constant_(undecided.network.classifier.bias, 2.0)
    softplus = math.log1p(math.exp(2.0))
    assert undecided.step(*batch(0)) == pytest.approx(softplus - 2.0 * 0.5)  # two at 0.1, two at 0.9
    sure = trainer(trunk, Plan(1, 1), replace(GENTLE, smoothing=0.2))
    torch.nn.init.constant_(sure.network.classifier.bias, 2.0)
    pixels, _ = batch(0)
    assert sure.step(pixels, Targets(np.array([1, 1, 1, 1]))) == pytest.approx(softplus - 2.0 * 0.9)


def test_a_restored_training_goes_on_bit_for_bit(trunk: Network) -> None:
    plan = Plan(steps=5, head_steps=2)
    whole, first, second = (trainer(trunk, plan) for _ in range(3))
    for step in range(5):
        whole.step(*batch(step))
    for stop in (1, 3):  # while the head learns alone, and after
        while first.done < stop:
            first.step(*batch(first.done))
        second.restore({name: tensor.clone() for name, tensor in first.state().items()}, first.done)
        while second.done < 5:
            second.step(*batch(second.done))
        assert not changed(second.network, whole.network)
        assert not changed(second.average, whole.average)
        second = trainer(trunk, plan)


def test_another_seed_drops_other_units(trunk: Network) -> None:
    one, other = trainer(trunk, Plan(2, 2)), trainer(trunk, Plan(2, 2))
    other.seed = 2
    for task in (one, other):
        task.step(*batch(0))
    assert changed(one.network, other.network)


def test_a_diverged_training_stops(trunk: Network) -> None:
    task = trainer(trunk, Plan(2, 2))
    torch.nn.init.constant_(task.network.classifier.bias, math.inf)
    with pytest.raises(FauxfaceError, match="diverged in step 1: the loss is"):
        task.step(*batch(0))


def test_the_gpu_path_is_the_same_code(trunk: Network) -> None:
    """A stand-in computes in bfloat16 as a GPU would; the result differs, but little."""
    stand_in = trainer(trunk, Plan(3, 1), device=Device("cpu", half=True))
    exact = trainer(trunk, Plan(3, 1))
    for step in range(3):
        losses = [task.step(*batch(step)) for task in (stand_in, exact)]
        assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]
    assert {weight.dtype for weight in stand_in.network.parameters()} == {torch.float32}


def test_the_plan_fits_the_time(trunk: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that ticks a second a look, a step of either stage takes a third of one, and so on."""
    ticks = iter(range(1000))
    monkeypatch.setattr("models.cnn.time.perf_counter", lambda: float(next(ticks)))
    before = copy.deepcopy(trunk)
    settings = Settings(head_share=0.1, evaluations=4)
    found = fit_plan(trunk, settings, CPU, batch(0), seconds=100.0, evaluated=40)
    assert found == Plan(steps=180, head_steps=18)  # (100 - 4 * 40 / 4 * 1) / (1 / 3)
    assert fit_plan(trunk, settings, CPU, batch(0), seconds=0.0, evaluated=40).steps == 10
    assert not changed(trunk, before)
    assert not trunk.training


def test_scores_are_those_of_each_image(trunk: Network) -> None:
    network = copy.deepcopy(trunk)
    torch.nn.init.constant_(network.classifier.weight, 0.01)
    pixels = np.concatenate([batch(0)[0], batch(1)[0]])
    network.renew(("found", "forged"), located=True)
    found = scores(network, [pixels[:5], pixels[5:]], CPU)
    assert found.logits.shape == (8, 2)
    assert found.maps is not None
    assert found.maps.shape == (8, 2, 2)  # of pictures of 64 pixels
    alone = scores(network, [pixels[6:7]], CPU)
    np.testing.assert_allclose(found.logits[6], alone.logits[0], atol=1e-4)
    assert found.logits[6, 0] != found.logits[6, 1] == 0
    assert scores(trunk, [pixels[:2]], CPU).maps is None


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_an_image_weighs_as_much_whatever_the_number_of_its_heads() -> None:
    taught = np.array([[True, True], [True, False]])
    logits = torch.tensor([[1.0, -2.0], [3.0, 50.0]])  # the last is no lesson
    found = Targets(np.array([0, 1]), taught).loss(logits, smoothing=0.0)
    real = (softplus(1.0) + softplus(-2.0)) / 2
    assert float(found) == pytest.approx((real + softplus(-3.0)) / 2)


def test_one_head_learns_as_it_always_did() -> None:
    torch.manual_seed(0)
    logits = torch.randn(32, 1, requires_grad=True)
    labels = np.arange(32) % 2
    smoothed = torch.from_numpy(labels).float() * 0.95 + 0.025
    before = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], smoothed)
    now = Targets(labels).loss(logits, smoothing=0.05)
    assert torch.equal(now, before)
    assert torch.equal(*(torch.autograd.grad(loss, logits)[0] for loss in (now, before)))


def test_the_map_learns_where_the_cells_are_known() -> None:
    cells = np.zeros((3, 7, 7), np.float32)
    cells[1, :, 3] = 0.25
    cells[2] = np.nan
    located = torch.zeros(3, 7, 7)
    located[0], located[2] = -1.0, 9.0
    located[1, :, 3] = 2.0
    found = Targets(np.array([0, 1, 1]), cells=cells).map_loss(located)
    second = (softplus(2.0) - 0.25 * 2.0 + 6 * math.log(2)) / 7
    assert float(found) == pytest.approx((softplus(-1.0) + second) / 2)
    unknown = Targets(np.array([1]), cells=cells[2:])
    assert float(unknown.map_loss(located[2:])) == 0


def lesson(step: int) -> tuple[Pixels, Targets]:
    """A batch for two heads and the map, whose third picture is a found fake, and the fourth forged below."""
    pixels, _ = batch(step)
    cells = np.zeros((4, 2, 2), np.float32)
    cells[2], cells[3, 1] = np.nan, 1.0
    heads = np.array([[True, True], [True, True], [True, False], [False, True]])
    return pixels, Targets(LABELS, heads, cells)


def test_heads_and_map_are_taught_and_restored_bit_for_bit(trunk: Network) -> None:
    network = copy.deepcopy(trunk)
    network.renew(("found", "forged"), located=True)
    plan = Plan(steps=5, head_steps=2)
    whole, first, second = (trainer(network, plan) for _ in range(3))
    losses = [whole.step(*lesson(step)) for step in range(5)]
    assert losses[0] == pytest.approx(1.5 * math.log(2))  # undecided in heads and, at half the weight, in cells
    assert {"classifier.weight", "locator.weight"} < changed(whole.network, network)
    while first.done < 3:
        first.step(*lesson(first.done))
    second.restore({name: tensor.clone() for name, tensor in first.state().items()}, first.done)
    while second.done < 5:
        second.step(*lesson(second.done))
    assert not changed(second.network, whole.network)
    assert not changed(second.average, whole.average)


def test_the_weight_of_the_map_is_a_setting(trunk: Network) -> None:
    network = copy.deepcopy(trunk)
    network.renew(("found", "forged"), located=True)
    task = trainer(network, Plan(2, 0), replace(GENTLE, map_weight=0.0))
    assert task.step(*lesson(0)) == pytest.approx(math.log(2))
    plain = trainer(trunk, Plan(1, 0))
    assert plain.step(lesson(0)[0], Targets(LABELS)) == pytest.approx(math.log(2))
