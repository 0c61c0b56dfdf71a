from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from kag.weights.digest import weights_digest


def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "encoder.weight": torch.randn(3, 4, generator=generator),
        "norm.running_mean": torch.zeros(4),
        "norm.num_batches_tracked": torch.tensor(7),
    }


def test_order_and_memory_layout_do_not_matter() -> None:
    original = state()
    shuffled = dict(reversed(list(original.items())))
    shuffled["encoder.weight"] = original["encoder.weight"].t().contiguous().t()
    assert not shuffled["encoder.weight"].is_contiguous()
    assert weights_digest(shuffled) == weights_digest(original)


def test_a_parameter_that_requires_grad_has_the_digest_of_its_numbers() -> None:
    original = state()
    trained = {**original, "encoder.weight": torch.nn.Parameter(original["encoder.weight"].clone())}
    assert weights_digest(trained) == weights_digest(original)


def test_every_property_of_a_tensor_counts() -> None:
    original = state()
    weight = original["encoder.weight"]
    nudged = weight.clone()
    nudged[2, 3] = torch.nextafter(nudged[2, 3], torch.tensor(torch.inf))
    others = [
        {**original, "encoder.weight": nudged},
        {**original, "encoder.weight": weight.reshape(4, 3)},
        {**original, "encoder.weight": weight.view(torch.int32)},
        {**original, "norm.num_batches_tracked": torch.tensor(8)},
        {"renamed" if name == "encoder.weight" else name: tensor for name, tensor in original.items()},
        {name: tensor for name, tensor in original.items() if name != "norm.running_mean"},
        {},
    ]
    digests = [weights_digest(other) for other in [original, *others]]
    assert len(set(digests)) == len(digests)


@given(cut=st.integers(1, 5))
def test_the_border_between_two_tensors_counts(cut: int) -> None:
    numbers = torch.arange(6.0)
    assert weights_digest({"a": numbers[:cut], "b": numbers[cut:]}) != weights_digest({"a": numbers, "b": numbers[:0]})


def test_half_precision_and_scalars_have_digests() -> None:
    kinds = [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int64, torch.bool]
    assert len({weights_digest({"x": torch.ones((), dtype=kind)}) for kind in kinds}) == len(kinds)
