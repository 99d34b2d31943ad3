# The wall: what sees labels alone, stage 1's errors too, or groups, is applied by jobs apart, so that no job has a file
# that one of its rules may not see. All of a method that see the same share a job: each takes milliseconds, and a
# process half a second to start.
for sight in analysis.sights():

    rule:
        name:
            rule_name("select", sight)
        input:
            lambda w, sight=sight: analysis.select_inputs(
                w.arm, w.dataset, w.method, sight
            ),
        output:
            analysis.select_outputs(sight),
        log:
            f"{RESULTS}/logs/select/{{arm}}/{{dataset}}.{{method}}.{sight}.log",
        benchmark:
            f"{RESULTS}/logs/select/{{arm}}/{{dataset}}.{{method}}.{sight}.benchmark.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            study=lambda w, sight=sight: analysis.part(
                w.arm, w.dataset, w.method, sight
            ),
            covers=lambda w: analysis.covers(w.arm, w.dataset, w.method),
            files=lambda w, sight=sight: analysis.select_options(
                w.arm, w.dataset, w.method, sight
            ),
            code=analysis.select_code(sight),
            results=lambda w: RESULTS,
        shell:
            "python -m bam select --study {params.study:q} --dataset {wildcards.dataset} --method {wildcards.method}"
            " {params.files} --results {params.results} > {log} 2>&1"

    rule:
        name:
            rule_name("evaluate", sight)
        input:
            lambda w, sight=sight: analysis.evaluate_inputs(
                w.arm, w.dataset, w.method, sight
            ),
        output:
            analysis.evaluate_outputs(sight),
        log:
            f"{RESULTS}/logs/evaluate/{{arm}}/{{dataset}}.{{method}}.{sight}.log",
        benchmark:
            f"{RESULTS}/logs/evaluate/{{arm}}/{{dataset}}.{{method}}.{sight}.benchmark.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            study=lambda w, sight=sight: analysis.part(
                w.arm, w.dataset, w.method, sight
            ),
            covers=lambda w: analysis.covers(w.arm, w.dataset, w.method),
            files=lambda w, sight=sight: analysis.evaluate_options(
                w.arm, w.dataset, w.method, sight
            ),
            code=analysis.code("bam.steps.evaluate"),
            results=lambda w: RESULTS,
        shell:
            "python -m bam evaluate --study {params.study:q} {params.files} --results {params.results} > {log} 2>&1"
