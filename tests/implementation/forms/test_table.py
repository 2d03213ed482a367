"""Every form of code, in at least two samples: understood where it is right, and caught where it is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.implementation.forms.table import FORMS, all_samples, shown
from tests.sampling import first_of_each

if TYPE_CHECKING:
    from pathlib import Path


#: The samples that show most forms come first, so that few show all.
SAMPLES = dict(sorted(all_samples().items(), key=lambda item: -len(item[1].shows.split())))


@pytest.mark.parametrize("key", first_of_each(lambda key: SAMPLES[key].shows.split(), SAMPLES))
def test_a_sample_is_understood_and_its_fault_is_caught(key: str, tmp_path: Path) -> None:
    SAMPLES[key].assert_understood(tmp_path)


def test_every_form_has_two_samples() -> None:
    assert {key for sample in SAMPLES.values() for key in sample.shows.split()} <= set(FORMS)
    assert [key for key in FORMS if shown(key) < 2] == []
