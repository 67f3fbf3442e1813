"""Metrics and intervals in numpy alone: training, calibration and evaluation all measure with these."""

from contrafake.measure.bootstrap import bootstrap_interval
from contrafake.measure.decisions import ClassAccuracy, accuracy_at, balanced_accuracy, best_accuracy
from contrafake.measure.intervals import (
    beta_quantile,
    binomial_tail,
    clopper_pearson,
    order_statistic_interval,
    wilson,
)
from contrafake.measure.probabilistic import brier, calibration_error, cllr, nll
from contrafake.measure.ranking import auc, average_precision, eer, roc, tpr_at_fpr

__all__ = [
    "ClassAccuracy",
    "accuracy_at",
    "auc",
    "average_precision",
    "balanced_accuracy",
    "best_accuracy",
    "beta_quantile",
    "binomial_tail",
    "bootstrap_interval",
    "brier",
    "calibration_error",
    "cllr",
    "clopper_pearson",
    "eer",
    "nll",
    "order_statistic_interval",
    "roc",
    "tpr_at_fpr",
    "wilson",
]
