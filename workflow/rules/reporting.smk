rule table:
    input:
        lambda w: analysis.table_inputs(w.name),
    output:
        csv=f"{RESULTS}/tables/{{name}}.csv",
        md=f"{RESULTS}/tables/{{name}}.md",
        tex=f"{RESULTS}/tables/{{name}}.tex",
    log:
        f"{RESULTS}/logs/table/{{name}}.log",
    benchmark:
        f"{RESULTS}/logs/table/{{name}}.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        study=graph.study.json(),
        covers=analysis.all_runs(),
        code=analysis.code("bam.steps.table"),
        results=lambda w: RESULTS,
    shell:
        "python -m bam table {wildcards.name} --study {params.study:q} --results {params.results} > {log} 2>&1"


rule figure:
    input:
        lambda w: analysis.figure_inputs(w.name),
    output:
        pdf=f"{RESULTS}/figures/{{name}}.pdf",
        png=f"{RESULTS}/figures/{{name}}.png",
        svg=f"{RESULTS}/figures/{{name}}.svg",
        caption=f"{RESULTS}/figures/{{name}}.txt",
    log:
        f"{RESULTS}/logs/figure/{{name}}.log",
    benchmark:
        f"{RESULTS}/logs/figure/{{name}}.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        study=graph.study.json(),
        code=analysis.code("bam.steps.figure"),
        results=lambda w: RESULTS,
    shell:
        "python -m bam figure {wildcards.name} --study {params.study:q} --results {params.results} > {log} 2>&1"


rule report:
    input:
        analysis.tables(),
        analysis.figures(),
    output:
        f"{RESULTS}/report.html",
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/logs/report.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        study=graph.study.json(),
        covers=analysis.all_runs(),
        code=analysis.code("bam.steps.report"),
        results=lambda w: RESULTS,
    shell:
        "python -m bam report --study {params.study:q} --results {params.results} --out {output} > {log} 2>&1"
