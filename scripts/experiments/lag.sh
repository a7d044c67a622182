#!/bin/sh
# The links of a chain take 250 ms longer, first one, then both. What do servers tell of how far replicas are behind?
#
# Stock ones tell how many whole seconds ago a replica was heard of, which says nothing of how old its
# data are. Ours measure that, at both ends, and along the chain from the master at its root.
set -e

redis-lab up --replicas 2 --chain --sentinels 0
redis-lab load client --rate 200
redis-lab wait-for synced

look() {
    # Three seconds later all that servers tell is of writes that have passed the slower link. They
    # are behind as long as somebody writes, so there is no waiting for them to be in sync.
    redis-lab wait-for writes 600
    seen=$(for reading in $(seq 61); do
        for node in m1 r1 r2; do redis-lab cli $node INFO replication | sed "s/^/$node /"; done
    done | tr -d '\r')
    tell "$1, stock fields: lag=$(least m1 'slave0:.*lag=') to $(most m1 'slave0:.*lag=') at m1"
    tell "$1, r1: $(least r1 master_lag_ms:) ms by itself, $(least m1 'replica0_lag:.*ms=') ms by m1"
    tell "$1, r2: $(least r2 master_lag_ms:) ms by itself, $(least r1 'replica0_lag:.*ms=') ms by r1"
}
readings() { echo "$seen" | sed -n "s/^$1 $2\([0-9-]*\).*/\1/p" | sort -n; }
# A busy machine only adds to a lag.
least() { readings "$1" "$2" | grep . -m 1 || echo no; }
most() { readings "$1" "$2" | tail -n 1; }
tell() { redis-lab note "$1" && echo "$1"; }

redis-lab delay m1 r1 250ms
look "one link"
redis-lab delay r1 r2 250ms
look "both links"
redis-lab stop-load
redis-lab wait-for synced

redis-lab check r2
