def names(plan):
    return []


def inputs(name, plan, layout):
    return []
