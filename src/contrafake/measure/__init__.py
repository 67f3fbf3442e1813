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
from contrafake.measure.probabilistic import balanced_weights, brier, calibration_error, cllr, nll, reliability
from contrafake.measure.ranking import auc, average_precision, eer, roc, tpr_at_fpr

__all__ = [
    "ClassAccuracy",
    "accuracy_at",
    "auc",
    "average_precision",
    "balanced_accuracy",
    "balanced_weights",
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
    "reliability",
    "roc",
    "tpr_at_fpr",
    "wilson",
]
