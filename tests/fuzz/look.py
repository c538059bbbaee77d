"""What every reader of annotations has to go through: `data check`, and the split as training has it."""

from __future__ import annotations

from clipgap.config import DataConfig
from clipgap.data import load_domains
from clipgap.data.check import check
from tests.fuzz.target import require_clear


def look(config: DataConfig) -> None:
    """Look through a data set, and read the split that would be trained on."""
    report = check(config)
    for fault in (*report.faults("error"), *report.faults("warning")):
        require_clear(str(fault))
        require_clear(fault.message)
    train = load_domains(config).source.train
    for index in range(len(train or [])):
        assert train is not None
        target = train.target(index)
        assert target["boxes"].isfinite().all()
        assert (target["boxes"][:, :2] < target["boxes"][:, 2:]).all()
