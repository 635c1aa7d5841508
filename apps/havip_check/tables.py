"""The question of checks: an answer of a member that was asked whether it is well."""

from apps.pipeline import PIPELINE

ASK_PROBE = PIPELINE.question("ask_probe", "the answer of a HaVip's member that was asked whether it is well")
