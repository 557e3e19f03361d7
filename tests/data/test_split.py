import pytest

from stbench.data.split import make_splits
from stbench.errors import StbenchError

GENES = [f"g{i}" for i in range(47)]


def test_seventy_twenty_ten_and_every_gene_tested_once():
    splits = make_splits(GENES, 10)
    assert sorted(gene for split in splits for gene in split.test) == sorted(GENES)
    for split in splits:
        assert sorted([*split.train, *split.val, *split.test]) == sorted(GENES)
        assert abs(len(split.train) - 33) <= 2
        assert abs(len(split.val) - 9) <= 2


def test_val_of_a_rotation_is_tested_by_the_next_two():
    splits = make_splits(GENES, 10)
    for k, split in enumerate(splits):
        assert set(split.val) == set(splits[(k + 1) % 10].test) | set(splits[(k + 2) % 10].test)


def test_depends_on_the_names_and_the_seed_only():
    assert make_splits(GENES)[0] == make_splits(GENES[::-1])[0]
    assert make_splits(GENES)[0].hash != make_splits(GENES, split_seed=1)[0].hash


def test_fewer_than_ten_genes():
    with pytest.raises(StbenchError, match="Only 9 genes"):
        make_splits(GENES[:9])


@pytest.mark.parametrize("n", [0, 11])
def test_number_of_splits(n):
    with pytest.raises(StbenchError, match="1 to 10"):
        make_splits(GENES, n)
