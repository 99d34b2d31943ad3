def report(plan, layout, out):
    pass
