"""What belongs to PyTorch is told without asking values, which may be anything that a file has."""

from __future__ import annotations

from gradcheck_cli.implementation.conventions.tensors import is_of_torch


def test_a_class_that_answers_no_question_is_not_of_torch() -> None:
    class Sealed(type):
        def __getattribute__(cls, name: str) -> object:
            raise RuntimeError(name)

    class Closed(metaclass=Sealed): ...

    def function() -> None: ...

    assert not any(map(is_of_torch, (Closed, function, 3, is_of_torch)))
    function.__module__ = "torch.nn.functional"
    assert is_of_torch(function)
