"""Which pieces each method puts together."""

from bam.methods import bam, bam_no_aux, erm, group_dro, jtt
from bam.recipe import Auxiliary, CrossEntropy, EveryExample, GroupBalanced, GroupDro, Upweighted
from tests import toy

STAGE1 = {"epochs": 3, "batch_size": 4, "optimizer": toy.SGD}
STAGE2 = {"epochs": 5, "batch_size": 8, "optimizer": toy.SGD, "upweight_factor": 7}


def test_bam_is_auxiliary_then_upweighted_from_the_same_model_unless_restarted():
    for restart, start in ((False, "stage1"), (True, "fresh")):
        content = {
            "stage1": {**STAGE1, "auxiliary_coefficient": 50.0, "loss": "squared", "watch_epochs": [2, 1, 2]},
            "stage2": {**STAGE2, "restart": restart},
        }
        recipe = bam.Settings.model_validate(content).recipe()
        assert recipe.stage1.objective == Auxiliary(coefficient=50.0, loss="squared")
        assert (recipe.stage1.sampling, recipe.stage1.start) == (EveryExample(), "fresh")
        assert (recipe.stage1.epochs, recipe.stage1.watch_epochs) == (3, (1, 2))
        assert (recipe.final.objective, recipe.final.sampling) == (CrossEntropy(), Upweighted(factor=7))
        assert (recipe.final.start, recipe.final.epochs, recipe.final.batch_size) == (start, 5, 8)
        assert not recipe.needs_train_groups


def test_bam_no_aux_is_the_same_with_lambda_zero():
    content = {"stage1": {**STAGE1, "loss": "squared"}, "stage2": {**STAGE2, "restart": False}}
    recipe = bam_no_aux.Settings.model_validate(content).recipe()
    assert recipe.stage1.objective == Auxiliary(coefficient=0.0, loss="squared")
    assert recipe.final.start == "stage1"


def test_jtt_is_lambda_zero_cross_entropy_and_a_fresh_model():
    recipe = jtt.Settings.model_validate({"stage1": STAGE1, "stage2": STAGE2}).recipe()
    assert recipe.stage1.objective == Auxiliary(coefficient=0.0, loss="cross_entropy")
    assert (recipe.final.start, recipe.final.sampling) == ("fresh", Upweighted(factor=7))


def test_erm_has_one_stage_over_every_example():
    recipe = erm.Settings.model_validate(STAGE1).recipe()
    assert recipe.stage1 is None
    assert (recipe.final.objective, recipe.final.sampling) == (CrossEntropy(), EveryExample())
    assert recipe.final.start == "fresh"


def test_group_dro_is_the_only_method_that_needs_train_groups():
    for batches, sampling in (("group_balanced", GroupBalanced()), ("every_example", EveryExample())):
        content = {**STAGE1, "step_size": 0.01, "adjustment": 1.0, "batches": batches}
        recipe = group_dro.Settings.model_validate(content).recipe()
        assert recipe.final.objective == GroupDro(step_size=0.01, adjustment=1.0)
        assert recipe.final.sampling == sampling
        assert recipe.needs_train_groups
