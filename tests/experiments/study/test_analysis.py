"""From answers to conclusions."""

import json

import numpy as np
import pytest

from nlcunet.errors import DataError
from nlcunet.experiments.study.analysis import analyse
from nlcunet.experiments.study.design import Check
from nlcunet.experiments.study.plot import write_plot
from nlcunet.experiments.study.report import make_json, make_markdown, make_warnings
from nlcunet.experiments.study.sessions import plan_session
from nlcunet.imaging.files import read_header

SCORES = {"a": 0.8, "b": 0.0, "c": -0.8}
CHECKS = tuple(Check(crop=number, better=f"{number}+", worse=f"{number}-") for number in range(4))


@pytest.fixture
def study(make_design):
    return make_design("abc", checks=CHECKS, repeats=4)


def by_name(analysis):
    return {score.system: score for score in analysis.scores}


def test_known_scores_are_found_again(study, simulate):
    found = by_name(analyse(study, simulate(study, SCORES, 40, 1)))
    for name, score in SCORES.items():
        assert found[name].score == pytest.approx(score, abs=0.15)
        assert found[name].lower < found[name].score < found[name].upper


def test_intervals_shrink_with_participants(study, simulate):
    few, many = (by_name(analyse(study, simulate(study, SCORES, count, 0, spread=0.5))) for count in (8, 80))
    assert many["a"].upper - many["a"].lower < 0.6 * (few["a"].upper - few["a"].lower)


def test_relabelling_systems_changes_nothing_but_names(study, simulate):
    answers = simulate(study, SCORES, 12, 0)
    names = {"a": "c", "b": "a", "c": "b", "better": "better", "worse": "worse"}
    renamed = [
        answer.model_copy(update={side: names[getattr(answer, side)] for side in ("left", "right")})
        for answer in answers
    ]
    one, other = analyse(study, answers), analyse(study, renamed)
    for name, score in by_name(one).items():
        moved = by_name(other)[names[name]]
        assert (moved.wins, moved.comparisons) == (score.wins, score.comparisons)
        assert [moved.score, moved.lower, moved.upper] == pytest.approx(
            [score.score, score.lower, score.upper], abs=1e-6
        )
    tests = {frozenset((pair.first, pair.second)): pair.p_holm for pair in other.pairs}
    for pair in one.pairs:
        assert tests[frozenset((names[pair.first], names[pair.second]))] == pytest.approx(pair.p_holm)


def test_counts_by_hand(make_design, make_answer):
    """Golden: two people, two systems, four crops; 7 of 8 choices are a, so that the scores are ± log(7) / 2."""
    study = make_design("ab", 4)
    answers = []
    for person in range(2):
        for number, trial in enumerate(plan_session(study, person)):
            wants_a = (person, number) != (1, 2)
            answers.append(make_answer(f"p{person}", number, trial, (trial.left == "a") == wants_a))
    found = analyse(study, answers)
    first, second = found.scores
    assert (first.system, first.wins, first.comparisons) == ("a", 7, 8)
    assert (second.system, second.wins, second.comparisons) == ("b", 1, 8)
    assert first.score == pytest.approx(np.log(7) / 2, abs=1e-9)
    (pair,) = found.pairs
    assert (pair.first_wins, pair.second_wins, pair.first_units, pair.second_units) == (7, 1, 2, 0)
    assert pair.p_value == pair.p_holm == 0.5
    assert (found.agreement.people_same, found.agreement.people) == (3, 4)


def test_one_participant_is_resampled_over_images(study, simulate):
    found = analyse(study, simulate(study, SCORES, 1, 0))
    assert (found.unit, found.num_units) == ("images", 6)
    assert any("what one person prefers" in warning for warning in make_warnings(found))
    assert analyse(study, simulate(study, SCORES, 9, 0), unit="images").num_units == 6


def test_a_single_image_and_participant_has_no_interval(tmp_path, make_design, simulate):
    found = analyse(one := make_design("abc", 2), simulate(one, SCORES, 1, 0))
    assert found.num_units == 1
    assert all(score.lower is None and score.upper is None for score in found.scores)
    assert "| – |" in make_markdown(found, joined=1)
    json.loads(make_json(found, joined=1))
    write_plot(found, tmp_path / "plot.png")


def test_who_fails_checks_or_hurries_is_excluded_with_the_reason(study, simulate):
    good = simulate(study, SCORES, 4, 0)
    blind = [flip_checks(answer) for answer in rename(simulate(study, SCORES, 1, 1), "blind")]
    fast = rename(simulate(study, SCORES, 1, 2, time_ms=310), "fast")
    gone = rename(simulate(study, SCORES, 1, 3), "gone")[:1]
    gone = [answer for answer in gone if answer.kind != "check"]
    found = analyse(study, good + blind + fast + gone)
    reasons = {person.name: person.objections for person in found.people if person.objections}
    assert reasons == {
        "blind": ("passed 0 of 4 attention checks",),
        "fast": ("too fast: 310 ms per comparison (median)",),
    } | ({"gone": ("left before the first attention check",)} if gone else {})
    assert found.kept == tuple(f"person {number}" for number in range(4))
    everybody = analyse(study, good + blind + fast + gone, keeps_all=True)
    assert set(everybody.kept) == set(found.kept) | set(reasons)
    assert any("are counted" in warning for warning in make_warnings(everybody))


def test_one_of_four_checks_failed_is_too_many(study, simulate):
    answers = simulate(study, SCORES, 2, 0)
    first = next(number for number, answer in enumerate(answers) if answer.kind == "check")
    answers[first] = flip_checks(answers[first])
    assert analyse(study, answers).people[0].objections == ("passed 3 of 4 attention checks",)


def flip_checks(answer):
    if answer.kind != "check":
        return answer
    return answer.model_copy(update={"choice": "left" if answer.choice == "right" else "right"})


def rename(answers, name):
    return [answer.model_copy(update={"participant": name}) for answer in answers]


def test_repeats_measure_consistency_and_do_not_count_as_wins(study, simulate, make_answer):
    answers = simulate(study, SCORES, 3, 0)
    found = analyse(study, answers)
    assert found.agreement.repeated == 12
    assert sum(score.wins for score in found.scores) == 3 * 36
    always_left = [
        make_answer("one", number, trial, trial.left != "worse") for number, trial in enumerate(plan_session(study, 0))
    ]
    found = analyse(study, always_left)
    assert not found.people[0].objections
    assert (found.agreement.repeated_same, found.agreement.repeated) == (0, 4)
    assert found.agreement.left / found.agreement.choices > 0.7


def test_firm_people_agree_with_themselves_and_each_other(study, simulate):
    found = analyse(study, simulate(study, {"a": 40.0, "b": 0.0, "c": -40.0}, 5, 0))
    assert found.agreement.repeated_same == found.agreement.repeated == 20
    assert found.agreement.people_same == found.agreement.people == 36 * 10
    assert found.is_regularised
    assert [score.system for score in found.scores] == ["a", "b", "c"]
    assert any("no finite score" in warning for warning in make_warnings(found))


def test_answers_of_another_study_are_refused(study, simulate):
    answers = simulate(study, SCORES, 1, 0)
    stranger = next(answer for answer in answers if answer.kind == "pair").model_copy(update={"left": "z"})
    with pytest.raises(DataError, match="answers must be of this study"):
        analyse(study, [*answers, stranger])
    with pytest.raises(DataError, match="needs answers that count: got 0 answers"):
        analyse(study, [])


def test_the_report_says_what_was_found(study, simulate):
    answers = simulate(study, SCORES, 12, 0) + rename(simulate(study, SCORES, 1, 2, time_ms=310), "fast")
    found = analyse(study, answers)
    text = make_markdown(found, joined=15)
    assert "15 joined, 13 answered, 1 excluded, 12 counted (12 of them to the end)" in text
    assert "| fast | 44 | too fast: 310 ms per comparison (median) |" in text
    best = found.scores[0]
    assert f"| a | {best.score:+.2f} | {best.lower:+.2f} … {best.upper:+.2f} | {best.wins} of 288 |" in text
    content = json.loads(make_json(found, joined=15))
    assert content["scores"][0]["score"] == best.score
    assert [one["is_counted"] for one in content["participants"]] == [True] * 12 + [False]
    assert (content["participants"][0]["windows"], content["participants"][0]["zooms"]) == ([[1200, 800]], [2])
    assert content["pairs"][0]["p_holm"] == found.pairs[0].p_holm


def test_every_line_of_a_table_has_as_many_cells(study, simulate):
    text = make_markdown(analyse(study, simulate(study, SCORES, 3, 0)), joined=3)
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 3
    for table in tables:
        assert len({line.count("|") for line in table}) == 1


def test_names_of_systems_are_no_formulas(tmp_path, make_design, simulate):
    names = ("$x_", "a $ and a very long name, longer than most")
    study = make_design(names, 4)
    write_plot(analyse(study, simulate(study, dict.fromkeys(names, 0.0), 3, 0)), tmp_path / "plot.svg")


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_plot_is_a_picture(tmp_path, study, simulate, ending):
    target = tmp_path / f"plot.{ending}"
    write_plot(analyse(study, simulate(study, SCORES, 5, 0)), target)
    if ending == "png":
        header = read_header(target)
        assert header.width > 1000 > header.height > 300
    else:
        assert target.read_bytes().startswith(b"<?xml")
