#!/bin/sh
# Two of three Sentinels are cut off when the master dies. Does the last one act alone?
#
# It sees that the master is down and must not decide: a majority elects, whatever the quorum. The
# failover begins when the network heals.
set -e

redis-lab up --quorum 1
redis-lab load client --rate 500
redis-lab wait-for writes 500

redis-lab partition s2,s3 s1,servers,client
redis-lab kill m1
redis-lab wait-for event +odown
redis-lab wait-for time 3s
redis-lab cli r1 ROLE
redis-lab note nobody was promoted so far
redis-lab heal
redis-lab wait-for other-master m1 --timeout 90s
redis-lab wait-for writes 500

redis-lab check
