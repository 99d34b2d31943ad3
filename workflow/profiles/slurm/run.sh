#!/usr/bin/env bash
# Run, or go on with, a study on SLURM:   bash workflow/profiles/slurm/run.sh --configfile config/digits.yaml
#
# If Snakemake itself was killed (a lost connection, a rebooted login node), its jobs go on, and a new Snakemake
# knows nothing of them: it would start the same work again beside them, on the same files. So before Snakemake
# starts, this cancels what earlier runs of this folder still have in the queue. Every argument is Snakemake's.
# BAM_PROFILE names another profile.
set -euo pipefail
cd "$(dirname "$0")/../../.."
mkdir -p .snakemake
profile=${BAM_PROFILE:-workflow/profiles/slurm}

# Held by this shell and by the Snakemake that takes its place, for as long as one of them lives.
exec 9>.snakemake/head.lock
if ! flock --nonblock 9; then
    echo "run.sh: a Snakemake is running in $PWD; end it first (Ctrl-C cancels its jobs)" >&2
    exit 2
fi

# The SLURM plugin names each job after its run, and Snakemake's logs keep the names.
runs=$(grep -hoE 'SLURM run ID: [0-9a-f-]+' .snakemake/log/*.log 2>/dev/null | awk '{print $4}' | sort -u | paste -sd, || true)
if [ -n "$runs" ]; then
    left() { squeue --noheader --me --name="$runs" --format='%i %T'; }
    waiting=$(left)
    if [ -n "$waiting" ]; then
        echo "run.sh: cancelling $(wc -l <<<"$waiting") jobs that an earlier run left in the queue" >&2
        scancel --me --name="$runs"
        for _ in $(seq "${BAM_CANCEL_WAIT:-300}"); do
            waiting=$(left)
            [ -n "$waiting" ] || break
            sleep 1
        done
        if [ -n "$waiting" ]; then
            echo "run.sh: still there after scancel: $(paste -sd, <<<"$waiting"); wait until squeue no longer shows them" >&2
            exit 2
        fi
    fi
fi

# The lock that a killed Snakemake left; ours above says that nobody holds it.
snakemake --workflow-profile "$profile" --unlock "$@" >/dev/null 2>&1 || true
exec snakemake --workflow-profile "$profile" "$@"
