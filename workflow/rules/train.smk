# Params take `input` so that Snakemake does not compare them: the id in the folder's name covers them (bam/training_graph.py).
# One function gives all inputs and one all options: planning a large grid is mostly calls of such functions.
# Priorities: what others wait for comes first, then the longest training of those that are left; selections and
# evaluations, which have none, fill the cores that the last trainings leave idle.
rule stage1:
    input:
        lambda w: ancient(graph.trainings.inputs(f"stage1/{w.run}")),
    output:
        predictions=expand(
            "{results}/predictions/stage1/{{run}}/{name}",
            results=RESULTS,
            name=[
                "train.npz",
                "val.npz",
                "auxiliary.npz",
                "record.json",
                "timing.json",
            ],
        ),
        weights=expand(
            "{results}/weights/stage1/{{run}}/{name}.safetensors",
            results=RESULTS,
            name=["model", "state"],
        ),
    log:
        f"{RESULTS}/logs/stage1/{{run}}.log",
    benchmark:
        f"{RESULTS}/logs/stage1/{{run}}.benchmark.tsv"
    priority: 30
    conda:
        "../../environment.yml"
    threads: graph.study.file.threads
    resources:
        mem_mb=4000,
        runtime=1440,
        gpu=0 if DEVICE == "cpu" else 1,
        gpu_share=GPU_SHARE,
    params:
        spec=lambda w, input: graph.trainings.spec(f"stage1/{w.run}"),
        options=lambda w, input: graph.trainings.options(f"stage1/{w.run}", DEVICE),
    shell:
        "python -m bam stage1 --spec {params.spec:q} {params.options} > {log} 2>&1"


rule error_set:
    input:
        lambda w: ancient(graph.trainings.error_set_inputs(f"error_set/{w.run}")),
    output:
        f"{RESULTS}/predictions/error_set/{{run}}/error_set.npz",
    log:
        f"{RESULTS}/logs/error_set/{{run}}.log",
    benchmark:
        f"{RESULTS}/logs/error_set/{{run}}.benchmark.tsv"
    priority: 40
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        predictions=lambda w, input: graph.trainings.error_set_source(
            f"error_set/{w.run}"
        ),
        labels=lambda w, input: graph.trainings.labels(f"error_set/{w.run}"),
    shell:
        "python -m bam error-set --predictions {params.predictions} --labels {params.labels} --out {output} > {log} 2>&1"


rule stage2:
    input:
        lambda w: ancient(graph.trainings.inputs(f"stage2/{w.run}")),
    output:
        predictions=expand(
            "{results}/predictions/stage2/{{run}}/{name}",
            results=RESULTS,
            name=["val.npz", "test.npz", "record.json", "timing.json"],
        ),
        weights=expand(
            "{results}/weights/stage2/{{run}}/{name}",
            results=RESULTS,
            name=graph.weights,
        ),
    log:
        f"{RESULTS}/logs/stage2/{{run}}.log",
    benchmark:
        f"{RESULTS}/logs/stage2/{{run}}.benchmark.tsv"
    priority: lambda w: graph.trainings.priority(f"stage2/{w.run}")
    conda:
        "../../environment.yml"
    threads: graph.study.file.threads
    resources:
        mem_mb=4000,
        runtime=1440,
        gpu=0 if DEVICE == "cpu" else 1,
        gpu_share=GPU_SHARE,
    params:
        spec=lambda w, input: graph.trainings.spec(f"stage2/{w.run}"),
        options=lambda w, input: graph.trainings.options(f"stage2/{w.run}", DEVICE),
    shell:
        "python -m bam stage2 --spec {params.spec:q} {params.options} > {log} 2>&1"


rule train:
    input:
        lambda w: ancient(graph.trainings.inputs(f"train/{w.run}")),
    output:
        predictions=expand(
            "{results}/predictions/train/{{run}}/{name}",
            results=RESULTS,
            name=["val.npz", "test.npz", "record.json", "timing.json"],
        ),
        weights=expand(
            "{results}/weights/train/{{run}}/{name}",
            results=RESULTS,
            name=graph.weights,
        ),
    log:
        f"{RESULTS}/logs/train/{{run}}.log",
    benchmark:
        f"{RESULTS}/logs/train/{{run}}.benchmark.tsv"
    priority: lambda w: graph.trainings.priority(f"train/{w.run}")
    conda:
        "../../environment.yml"
    threads: graph.study.file.threads
    resources:
        mem_mb=4000,
        runtime=1440,
        gpu=0 if DEVICE == "cpu" else 1,
        gpu_share=GPU_SHARE,
    params:
        spec=lambda w, input: graph.trainings.spec(f"train/{w.run}"),
        options=lambda w, input: graph.trainings.options(f"train/{w.run}", DEVICE),
    shell:
        "python -m bam train --spec {params.spec:q} {params.options} > {log} 2>&1"
