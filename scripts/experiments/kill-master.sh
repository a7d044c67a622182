#!/bin/sh
# The master dies by SIGKILL. For how long does nobody take writes, and are any lost?
#
# An asynchronous write that was acknowledged and had not reached a replica when its master died is
# gone. A client that asks the Sentinels finds the new master by itself.
#
# Words of redis-lab make it harder: kill-master.sh kill s1 (with a Sentinel), kill r1, stop r1
# (with a replica, which is the heir half of the time), stop s1.
set -e

redis-lab up
redis-lab load client --rate 1000
redis-lab load careful --wait 1 --rate 200
redis-lab readers
redis-lab wait-for writes 1000

[ $# -eq 0 ] || redis-lab "$@"
redis-lab kill m1
redis-lab wait-for other-master m1
redis-lab wait-for writes 1000

redis-lab check
