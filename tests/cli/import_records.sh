# Sourced by the import tests: hand-made WFDB records, so that no test needs the recordings.

# make_signal FILE FS SECONDS: format 16, twelve leads that obey Einthoven and Goldberger; prints "initial checksum" per lead.
make_signal() {
    LC_ALL=C awk -v fs="$2" -v seconds="$3" -v file="$1" '
        function out(v,   u) { u = v < 0 ? v + 65536 : v; printf "%c%c", u % 256, int(u / 256) > file }
        BEGIN {
            n = fs * seconds
            for (t = 0; t < n; t++) {
                beat = (t / fs) % 0.8
                one = int(600 * exp(-((beat - 0.3) / 0.02) ^ 2) + 90 * exp(-((beat - 0.55) / 0.05) ^ 2)) * 2
                two = int(800 * exp(-((beat - 0.3) / 0.02) ^ 2) + 120 * exp(-((beat - 0.55) / 0.05) ^ 2) + 20 * sin(t / fs)) * 2
                v[1] = one; v[2] = two; v[3] = two - one; v[4] = -(one + two) / 2; v[5] = one - two / 2; v[6] = two - one / 2
                for (k = 1; k <= 6; k++) v[6 + k] = int((k - 3) * one / 4 + two / k)
                for (k = 1; k <= 12; k++) { if (t == 0) first[k] = v[k]; sum[k] += v[k]; out(v[k]) }
            }
            for (k = 1; k <= 12; k++) { s = sum[k] % 65536; if (s > 32767) s -= 65536; if (s < -32768) s += 65536; print first[k], s }
        }'
}

# make_record FOLDER NAME FS SECONDS SUMS [GAIN]: a header for FOLDER/signal.dat (several records may share one signal)
make_record() {
    local leads=(I II III aVR aVL aVF V1 V2 V3 V4 V5 V6) i=0 first sum
    {
        echo "$2 12 $3 $(($3 * $4))"
        while read -r first sum; do
            echo "signal.dat 16 ${6:-1000}/mV 16 0 $first $sum 0 ${leads[$i]}"
            i=$((i + 1))
        done < "$5"
    } > "$1/$2.hea"
}
