#!/bin/sh
# The far end of the links: a QEMU without a machine (-M none), whose hubs join netdevs; no guest, nothing to boot.
# It is the machine's QEMU, or what `fakevm tool install qemu` has fetched.
set -e
datagrams() { # id, port here, port there
    echo "dgram,id=$1,local.type=inet,local.host=127.0.0.1,local.port=$2,remote.type=inet,remote.host=127.0.0.1,remote.port=$3"
}
exec fakevm tool run qemu -- qemu-system-x86_64 -M none -nodefaults -display none -monitor none -serial none \
    -netdev "$(datagrams udp 17201 17101)" -netdev hubport,id=h1,hubid=1,netdev=udp \
    -netdev "$(datagrams right1 17211 17111)" -netdev hubport,id=r1,hubid=1,netdev=right1 \
    -netdev socket,id=tcp,listen=127.0.0.1:17202 -netdev hubport,id=h2,hubid=2,netdev=tcp \
    -netdev "$(datagrams right2 17212 17112)" -netdev hubport,id=r2,hubid=2,netdev=right2 \
    -netdev socket,id=multicast,mcast=239.255.77.1:17203,localaddr=127.0.0.1 -netdev hubport,id=h3,hubid=3,netdev=multicast \
    -netdev "$(datagrams right3 17213 17113)" -netdev hubport,id=r3,hubid=3,netdev=right3
