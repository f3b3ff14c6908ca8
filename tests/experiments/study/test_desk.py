"""Who takes part, and which answers are taken."""

import threading

import pytest

from nlcunet.errors import DataError
from nlcunet.experiments.study.answers import Answer, Choice, Participant
from nlcunet.experiments.study.desk import Desk, invite, read_invitations
from nlcunet.experiments.study.folder import ANSWERS, PARTICIPANTS
from nlcunet.experiments.study.journal import read_lines
from nlcunet.experiments.study.sessions import plan_session


@pytest.fixture
def study(make_design):
    return make_design("ab", 3)


@pytest.fixture
def desk(tmp_path, study):
    desk = Desk(tmp_path, study)
    yield desk
    desk.close()


def choose(participant, trial, choice="left"):
    return Choice(
        participant=participant,
        trial=trial,
        choice=choice,
        time_ms=900,
        client_width=800,
        client_height=600,
        device_pixel_ratio=1.5,
        zoom=1,
    )


def test_participants_are_numbered_as_they_come(desk, study, tmp_path):
    names = [desk.join(None) for _ in range(3)]
    assert len(set(names)) == 3
    assert [line.number for line in read_lines(tmp_path / PARTICIPANTS, Participant)] == [0, 1, 2]
    for number, name in enumerate(names):
        assert desk.session(name) == plan_session(study, number)


def test_an_answer_knows_what_it_was_between(desk, study, tmp_path):
    name = desk.join(None)
    assert desk.receive(choose(name, 0, "right")) == "accepted"
    (answer,) = read_lines(tmp_path / ANSWERS, Answer)
    trial = plan_session(study, 0)[0]
    assert (answer.left, answer.right, answer.crop, answer.kind) == (trial.left, trial.right, trial.crop, trial.kind)
    assert (answer.chosen, answer.other) == (trial.right, trial.left)
    assert (answer.time_ms, answer.client_width, answer.device_pixel_ratio) == (900, 800, 1.5)


def test_the_first_answer_counts(desk, tmp_path):
    name = desk.join(None)
    assert desk.receive(choose(name, 0, "left")) == "accepted"
    assert desk.receive(choose(name, 0, "left")) == "known"
    assert desk.receive(choose(name, 0, "right")) == "known"
    assert [answer.choice for answer in read_lines(tmp_path / ANSWERS, Answer)] == ["left"]


def test_only_the_trial_at_hand_is_answered(desk):
    name = desk.join(None)
    assert desk.receive(choose(name, 1)) == "too early"
    assert desk.receive(choose("nobody", 0)) == "no such participant"
    for trial in range(3):
        assert desk.receive(choose(name, trial)) == "accepted"
    assert desk.receive(choose(name, 3)) == "too early"
    assert desk.summary() == (1, 3)


def test_a_new_desk_goes_on_where_the_old_one_was(tmp_path, study):
    desk = Desk(tmp_path, study)
    first, second = desk.join(None), desk.join(None)
    desk.receive(choose(first, 0))
    desk.receive(choose(second, 0))
    desk.receive(choose(second, 1))
    desk.close()
    desk = Desk(tmp_path, study)
    assert desk.is_known(first)
    assert (desk.count_answered(first), desk.count_answered(second)) == (1, 2)
    assert desk.session(second) == plan_session(study, 1)
    assert desk.session(desk.join(None)) == plan_session(study, 2)
    desk.close()


def test_many_threads_make_one_answer_each(desk, tmp_path):
    names = [desk.join(None) for _ in range(4)]
    results = []

    def answer(name):
        results.extend(desk.receive(choose(name, trial)) for trial in range(3) for _ in range(3))

    threads = [threading.Thread(target=answer, args=(name,)) for name in names for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("accepted") == 12
    assert len({(answer.participant, answer.trial) for answer in read_lines(tmp_path / ANSWERS, Answer)}) == 12
    assert len(read_lines(tmp_path / ANSWERS, Answer)) == 12


def test_invited_participants_keep_their_place(tmp_path, study):
    codes = invite(tmp_path, 2)
    assert invite(tmp_path, 2) == invite(tmp_path, 1) == codes == read_invitations(tmp_path)
    more = invite(tmp_path, 3)
    assert more[:2] == codes
    desk = Desk(tmp_path, study, frozenset(more))
    assert desk.join(None) is desk.join("guess") is None
    assert desk.join(codes[1]) == codes[1]
    desk.receive(choose(codes[1], 0))
    assert desk.join(codes[1]) == codes[1]
    assert desk.count_answered(codes[1]) == 1
    assert desk.summary() == (1, 1)
    desk.close()


def test_nobody_is_invited_by_default(tmp_path):
    assert read_invitations(tmp_path) is None
    (tmp_path / "invitations.json").write_text("[]")
    with pytest.raises(DataError, match="must be a file of this program"):
        read_invitations(tmp_path)


def test_answers_with_gaps_are_refused(tmp_path, study):
    desk = Desk(tmp_path, study)
    name = desk.join(None)
    for trial in range(3):
        desk.receive(choose(name, trial))
    desk.close()
    lines = (tmp_path / ANSWERS).read_bytes().splitlines(keepends=True)
    (tmp_path / ANSWERS).write_bytes(lines[0] + lines[2])
    with pytest.raises(DataError, match="must follow each other without gaps"):
        Desk(tmp_path, study)
