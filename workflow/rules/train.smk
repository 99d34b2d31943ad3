# Params take `input` so that Snakemake does not compare them: the id in the folder's name covers them (bam/graph.py).
rule stage1:
    input:
        manifest=lambda w: ancient(graph.manifest(f"stage1/{w.run}")),
        pretrained=lambda w: ancient(graph.pretrained(f"stage1/{w.run}")),
        previous=lambda w: ancient(graph.previous(f"stage1/{w.run}")),
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
    conda:
        "../../environment.yml"
    threads: graph.study.file.threads
    resources:
        mem_mb=4000,
        runtime=1440,
        gpu=0 if DEVICE == "cpu" else 1,
        gpu_share=GPU_SHARE,
    params:
        spec=lambda w, input: graph.spec(f"stage1/{w.run}"),
        prepared=lambda w, input: graph.prepared(f"stage1/{w.run}"),
        pretrained=lambda w, input: graph.pretrained_options(f"stage1/{w.run}"),
        previous=lambda w, input: graph.previous_options(f"stage1/{w.run}"),
        predictions=lambda w, input: f"{RESULTS}/predictions/stage1/{w.run}",
        weights=lambda w, input: f"{RESULTS}/weights/stage1/{w.run}",
        device=lambda w, input: DEVICE,
    shell:
        "python -m bam stage1 --spec {params.spec:q} --data {params.prepared} --predictions {params.predictions}"
        " --weights {params.weights} {params.previous} {params.pretrained} --device {params.device:q} > {log} 2>&1"


rule error_set:
    input:
        lambda w: ancient(graph.error_set_inputs(f"error_set/{w.run}")),
    output:
        f"{RESULTS}/predictions/error_set/{{run}}/error_set.npz",
    log:
        f"{RESULTS}/logs/error_set/{{run}}.log",
    benchmark:
        f"{RESULTS}/logs/error_set/{{run}}.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        predictions=lambda w, input: graph.error_set_source(f"error_set/{w.run}"),
        labels=lambda w, input: graph.labels(f"error_set/{w.run}"),
    shell:
        "python -m bam error-set --predictions {params.predictions} --labels {params.labels} --out {output} > {log} 2>&1"


rule stage2:
    input:
        manifest=lambda w: ancient(graph.manifest(f"stage2/{w.run}")),
        pretrained=lambda w: ancient(graph.pretrained(f"stage2/{w.run}")),
        error_set=lambda w: ancient(graph.error_set(f"stage2/{w.run}")),
        stage1=lambda w: ancient(graph.stage1_weights(f"stage2/{w.run}")),
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
    conda:
        "../../environment.yml"
    threads: graph.study.file.threads
    resources:
        mem_mb=4000,
        runtime=1440,
        gpu=0 if DEVICE == "cpu" else 1,
        gpu_share=GPU_SHARE,
    params:
        spec=lambda w, input: graph.spec(f"stage2/{w.run}"),
        prepared=lambda w, input: graph.prepared(f"stage2/{w.run}"),
        pretrained=lambda w, input: graph.pretrained_options(f"stage2/{w.run}"),
        error_set=lambda w, input: graph.error_set_path(f"stage2/{w.run}"),
        stage1=lambda w, input: graph.stage1_options(f"stage2/{w.run}"),
        predictions=lambda w, input: f"{RESULTS}/predictions/stage2/{w.run}",
        weights=lambda w, input: f"{RESULTS}/weights/stage2/{w.run}",
        device=lambda w, input: DEVICE,
    shell:
        "python -m bam stage2 --spec {params.spec:q} --data {params.prepared} --error-set {params.error_set}"
        " {params.stage1} --predictions {params.predictions} --weights {params.weights}"
        " {params.pretrained} --device {params.device:q} > {log} 2>&1"


rule train:
    input:
        manifest=lambda w: ancient(graph.manifest(f"train/{w.run}")),
        pretrained=lambda w: ancient(graph.pretrained(f"train/{w.run}")),
        groups=lambda w: ancient(graph.train_groups(f"train/{w.run}")),
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
    conda:
        "../../environment.yml"
    threads: graph.study.file.threads
    resources:
        mem_mb=4000,
        runtime=1440,
        gpu=0 if DEVICE == "cpu" else 1,
        gpu_share=GPU_SHARE,
    params:
        spec=lambda w, input: graph.spec(f"train/{w.run}"),
        prepared=lambda w, input: graph.prepared(f"train/{w.run}"),
        pretrained=lambda w, input: graph.pretrained_options(f"train/{w.run}"),
        groups=lambda w, input: graph.groups_options(f"train/{w.run}"),
        predictions=lambda w, input: f"{RESULTS}/predictions/train/{w.run}",
        weights=lambda w, input: f"{RESULTS}/weights/train/{w.run}",
        device=lambda w, input: DEVICE,
    shell:
        "python -m bam train --spec {params.spec:q} --data {params.prepared} {params.groups}"
        " --predictions {params.predictions} --weights {params.weights} {params.pretrained}"
        " --device {params.device:q} > {log} 2>&1"
