"""The answer in words: which technique, how sure, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from results.advice.activities import BY_NAME
from results.advice.overhead import Turn, Verdict

#: How sure, by the share of samples in which the first technique is the best.
_SURE = ((0.95, "almost certainly"), (0.75, "probably"), (0.55, "perhaps"), (0.0, "hardly surely"))
_TURNS = 2


def answer(ranked: Sequence[Verdict]) -> str:
    """The first technique, what it takes, how surely it is the best, and who else might be."""
    best, *others = [verdict for verdict in ranked if verdict.parts is not None]
    how = next(word for least, word in _SURE if best.probability >= least)
    text = (
        f"{best.technique} takes least, {best.share:.1%} of a processor ({best.low:.1%} to {best.high:.1%}); "
        f"{how}: it is the best in {best.probability:.0%} of the samples of the costs"
    )
    rival = max(others, key=lambda verdict: verdict.probability, default=None)
    if rival and rival.probability >= 0.01:
        text += f", {rival.technique} in {rival.probability:.0%}"
    return text


def changes(best: str, turning: Sequence[Turn], unsaid: Sequence[Turn]) -> Iterator[str]:
    """What would make another technique as good as `best`: rates that the profile names, and those that it does not."""
    for turn in turning[:_TURNS]:
        yield (
            f"at {_rate(turn)} {_plain(turn)} per second {turn.technique} would be as good as {best}"
        )
    for turn in unsaid[:_TURNS]:
        yield (
            f"the profile is silent on {_plain(turn)}: with {_rate(turn)} per second {turn.technique} "
            f"would be as good as {best}"
        )


def left_out(rates: Mapping[str, float]) -> str:
    """Exits of a host that no workload of the suite stands for; nothing when there are none."""
    if not rates:
        return ""
    ranked = sorted(rates.items(), key=lambda item: -item[1])
    named = ", ".join(f"{name} {rate:,.0f}" for name, rate in ranked[:5])
    return f"left out, since no workload shows what they cost: {named} per second"


def _plain(turn: Turn) -> str:
    return BY_NAME[turn.activity].name


def _rate(turn: Turn) -> str:
    return f"{turn.rate:,.0f}" if turn.rate >= 1 else f"{turn.rate:.2g}"
