"""What a model reads: the same from task to task where it can be, and within its budget."""

from opencognit.providers.prompt import BYTES_PER_TOKEN, standing_prompt, task_prompt
from tests.providers.toolbox import order


def test_the_standing_prompt_of_two_tasks_is_the_same_to_the_byte() -> None:
    one = order(title="One", comments=("Bob: a",), goals=("Grow",), memories=("Blue",), subtasks=("x",), run_id="1")
    two = order(title="Two", description=None, colleagues=("Eve",), task_id="t2", run_id="2")
    assert standing_prompt(one).encode() == standing_prompt(two).encode()


def test_a_model_reads_who_it_is_and_all_about_its_task() -> None:
    given = order(goals=("Grow",), memories=("Blue",), subtasks=("Part (done, 1)",))
    read = standing_prompt(given) + task_prompt(given)
    for words in ("Ada", "Engineer", "Be brief.", "Sums: add numbers", "Sell anvils", "Count the anvils", "Bob: hurry"):
        assert words in read
    for words in ("Open the store: done", "Grow", "Blue", "Part (done, 1)"):
        assert words in task_prompt(given)


def test_only_an_orchestrator_reads_how_to_lead() -> None:
    assert "`plan`" in standing_prompt(order(is_orchestrator=True))
    assert "`plan`" not in standing_prompt(order())


def test_what_does_not_fit_is_left_out_by_use_and_named() -> None:
    crowded = order(
        context_tokens=2000,
        description="d" * 500,
        comments=tuple(f"comment {number} " + "c" * 190 for number in range(50)),
        blocker_results=("r" * 5000,),
        goals=("g" * 5000,),
    )
    read = standing_prompt(crowded) + task_prompt(crowded)
    assert "d" * 500 in read
    assert "comment 49 " in read
    assert "comment 0 " not in read
    assert "older comments]" in read
    assert "[left out for length: 1 earlier results]" in read
    assert "[left out for length: 1 goals]" in read
    assert len(read.encode()) <= 2000 * BYTES_PER_TOKEN + 300


def test_a_description_that_is_too_long_is_cut_and_says_so() -> None:
    read = task_prompt(order(context_tokens=2000, description="ü" * 5000))
    assert "[the rest is left out: " in read
    assert len(read.encode()) < 2000 * BYTES_PER_TOKEN


def test_the_comments_that_fit_stand_in_their_order() -> None:
    read = task_prompt(order(comments=("A: first", "B: second")))
    assert read.index("A: first") < read.index("B: second")
