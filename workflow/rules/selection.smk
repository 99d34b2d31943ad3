# The wall: rules that see labels alone, stage 1's errors too, or groups, are applied by jobs apart, so that no job has a
# file that one of its rules may not see.
for sees in analysis.sights():

    rule:
        name:
            "select" if sees == "labels" else f"select_by_{sees}"
        input:
            lambda w, sees=sees: analysis.select_inputs(
                w.arm, w.dataset, w.method, sees
            ),
        output:
            analysis.select_outputs(sees),
        log:
            f"{RESULTS}/logs/select/{{arm}}/{{dataset}}.{{method}}.{sees}.log",
        benchmark:
            f"{RESULTS}/logs/select/{{arm}}/{{dataset}}.{{method}}.{sees}.benchmark.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            study=lambda w, sees=sees: analysis.part(w.arm, w.dataset, w.method, sees),
            options=lambda w, sees=sees: analysis.select_options(
                w.arm, w.dataset, w.method, sees
            ),
            covers=lambda w: analysis.covers(w.arm, w.dataset, w.method),
            code=analysis.select_code(sees),
            results=lambda w: RESULTS,
        shell:
            "python -m bam select --study {params.study:q} {params.options}"
            " --results {params.results} > {log} 2>&1"


# One job scores all choices: each takes milliseconds, and the start of a process half a second.
rule evaluate:
    input:
        lambda w: analysis.evaluate_inputs(),
    output:
        analysis.evaluations(),
        [f"{path}.sha256" for path in analysis.evaluations()],
    log:
        f"{RESULTS}/logs/evaluate.log",
    benchmark:
        f"{RESULTS}/logs/evaluate.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        study=graph.study.json(),
        covers=analysis.all_runs(),
        code=analysis.code("bam.steps.evaluate"),
        results=lambda w: RESULTS,
    shell:
        "python -m bam evaluate --study {params.study:q} --results {params.results} > {log} 2>&1"
