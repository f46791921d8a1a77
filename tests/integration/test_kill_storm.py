"""A short storm; kill_storm.py has the long one."""

import pytest

from harness import nothing_is_open, works
from kill_storm import PreparedStorm, Storm

ENOUGH = 500  # answers


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_no_answer_goes_astray_while_servers_are_killed(start_pooler, primary, mode):
    size = 10 if mode == "transaction" else 50
    pooler = start_pooler(pool_mode=mode, default_pool_size=size)
    storm = Storm(pooler.address, clients=50, seconds=8, kills=30, answers=ENOUGH)
    storm.run(primary)
    print(storm.report())
    assert not storm.wrong, storm.report()
    assert storm.kills >= 30 and storm.answers >= ENOUGH, storm.report()
    nothing_is_open(primary)
    works(pooler)


def test_prepared_statements_survive_the_killing_of_servers(start_pooler, primary):
    pooler = start_pooler(default_pool_size=10, max_prepared_statements=8)
    storm = PreparedStorm(pooler.address, clients=50, seconds=5, kills=10, answers=ENOUGH)
    storm.run(primary)
    print(storm.report())
    assert not storm.wrong, storm.report()
    assert storm.kills >= 10 and storm.answers >= ENOUGH, storm.report()
    nothing_is_open(primary)
    works(pooler)
