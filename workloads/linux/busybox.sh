#!/busybox sh
#: title = "A shell script in Debian's static busybox"
#: stresses = "a real userland: programs started by the hundred, pipes, files, arithmetic"
#: outcome = "the lines that the script prints"
#: small = {}
#: standard = {}
#: large = {}

/busybox mkdir -p /proc /sys /bin /tmp
/busybox mount -t devtmpfs dev /dev
/busybox mount -t proc proc /proc
/busybox mount -t sysfs sysfs /sys
/busybox --install -s /bin
export PATH=/bin
echo "userland of $(ls /bin | wc -l | sed 's/.*/many/') programs"
for n in 1 2 3 4 5; do
    echo "line $n of $(seq 1 $((n * 10)) | awk '{ s += $1 } END { print s }')" >>/tmp/lines
done
sort -r /tmp/lines | tee /tmp/sorted | head -n 3
sha256sum /tmp/sorted
grep -c line /tmp/sorted
dd if=/dev/zero of=/tmp/zeros bs=64k count=16 2>/dev/null
md5sum /tmp/zeros
gzip -c /tmp/lines | gunzip | cmp - /tmp/lines && echo "compressed and back"
(sleep 1; echo "slept") & wait
grep -q "^model name" /proc/cpuinfo && echo "has a processor"
find /sys/ -maxdepth 1 -type d | sort | head -n 3
echo "trapbench-status 0000000000000000"
sync
poweroff -f
