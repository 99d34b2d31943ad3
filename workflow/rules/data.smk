rule fetch:
    output:
        "data/raw/{raw}/fetched.json",
    log:
        "logs/fetch/{raw}.log",
    benchmark:
        "logs/fetch/{raw}.benchmark.tsv"
    priority: 50
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        contents=lambda w: graph.raw_set(w.raw),
        folder=lambda w: f"data/raw/{w.raw}",
    shell:
        "python -m bam fetch {wildcards.raw} --out {params.folder} > {log} 2>&1"


rule prepare:
    input:
        raw=lambda w: ancient(graph.raw_for_prepare(w.id)),
    output:
        manifest="data/prepared/{id}/manifest.json",
        arrays=expand(
            "data/prepared/{{id}}/{name}.npy",
            name=[
                "train/inputs",
                "train/labels",
                "val/inputs",
                "val/labels",
                "test/inputs",
            ],
        ),
    log:
        "logs/prepare/{id}.log",
    benchmark:
        "logs/prepare/{id}.benchmark.tsv"
    priority: 50
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=lambda w: graph.data_settings(w.id),
        raw=lambda w: graph.raw_options(w.id),
        folder=lambda w: f"data/prepared/{w.id}",
    shell:
        "python -m bam prepare --settings {params.settings:q} {params.raw} --out {params.folder} > {log} 2>&1"


# Which of its two texts each token of a pair is of: `prepare` writes these too, but only for pairs. Where they alone were
# lost, it writes all again.
use rule prepare as prepare_segments with:
    output:
        expand(
            "data/prepared/{{id}}/{split}/segments.npy",
            split=["train", "val", "test"],
        ),
    log:
        "logs/prepare_segments/{id}.log",
    benchmark:
        "logs/prepare_segments/{id}.benchmark.tsv"


# Weights that networks start from, as safetensors; a raw set, a folder or the hub gives them.
rule pretrained:
    input:
        raw=lambda w: ancient(graph.raw_for_pretrained(w.id)),
    output:
        expand(
            "data/pretrained/{{id}}/{name}",
            name=["model.safetensors", "config.json", "pretrained.json"],
        ),
    log:
        "logs/pretrained/{id}.log",
    benchmark:
        "logs/pretrained/{id}.benchmark.tsv"
    priority: 50
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        model=lambda w: graph.pretrained_model(w.id),
        raw=lambda w: graph.pretrained_raw_options(w.id),
        folder=lambda w: f"data/pretrained/{w.id}",
    shell:
        "python -m bam pretrained --model {params.model:q} {params.raw} --out {params.folder} > {log} 2>&1"


# The wall: groups come from a rule of their own, and only evaluation, oracle rules, Group-DRO,
# tables and the figure of sample images read what it writes.
rule annotate:
    input:
        raw=lambda w: ancient(graph.raw_for_annotate(w.id)),
    output:
        scheme="data/groups/{id}/groups.json",
        splits=expand("data/groups/{{id}}/{split}.csv", split=["train", "val", "test"]),
        samples="data/groups/{id}/samples.npz",
    log:
        "logs/annotate/{id}.log",
    benchmark:
        "logs/annotate/{id}.benchmark.tsv"
    priority: 50
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        settings=lambda w: graph.group_settings(w.id),
        raw=lambda w: graph.raw_options(w.id),
        folder=lambda w: f"data/groups/{w.id}",
    shell:
        "python -m bam annotate --settings {params.settings:q} {params.raw} --out {params.folder} > {log} 2>&1"
