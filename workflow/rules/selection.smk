rule select:
    input:
        lambda w: analysis.select_inputs(w.arm, w.dataset, w.method, w.rule),
    output:
        f"{RESULTS}/selection/{{arm}}/{{dataset}}.{{method}}.{{rule}}.json",
    log:
        f"{RESULTS}/logs/select/{{arm}}/{{dataset}}.{{method}}.{{rule}}.log",
    benchmark:
        f"{RESULTS}/logs/select/{{arm}}/{{dataset}}.{{method}}.{{rule}}.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        study=lambda w: analysis.part(w.arm, w.dataset, w.method, w.rule),
        covers=lambda w: analysis.covers(w.arm, w.dataset, w.method),
        code=lambda w: analysis.select_code(w.rule),
        results=lambda w: RESULTS,
    shell:
        "python -m bam select --study {params.study:q} --dataset {wildcards.dataset} --method {wildcards.method}"
        " --rule {wildcards.rule} --results {params.results} --out {output} > {log} 2>&1"


rule evaluate:
    input:
        lambda w: analysis.evaluate_inputs(w.arm, w.dataset, w.method, w.rule),
        selection=f"{RESULTS}/selection/{{arm}}/{{dataset}}.{{method}}.{{rule}}.json",
    output:
        csv=f"{RESULTS}/evaluation/{{arm}}/{{dataset}}.{{method}}.{{rule}}.csv",
        checksum=f"{RESULTS}/evaluation/{{arm}}/{{dataset}}.{{method}}.{{rule}}.csv.sha256",
    log:
        f"{RESULTS}/logs/evaluate/{{arm}}/{{dataset}}.{{method}}.{{rule}}.log",
    benchmark:
        f"{RESULTS}/logs/evaluate/{{arm}}/{{dataset}}.{{method}}.{{rule}}.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        study=lambda w: analysis.part(w.arm, w.dataset, w.method, w.rule),
        covers=lambda w: analysis.covers(w.arm, w.dataset, w.method),
        code=analysis.code("bam.steps.evaluate"),
        results=lambda w: RESULTS,
    shell:
        "python -m bam evaluate --study {params.study:q} --selection {input.selection}"
        " --results {params.results} --out {output.csv} > {log} 2>&1"
