# Reads the output of `cargo test --no-fail-fast` and says at its end what ran, what failed and what was left out.
/^test .* \.\.\. FAILED$/ { failed = failed "\n  FAILED  " $2 }
/^test .* \.\.\. ignored/ { ignored = ignored "\n  NOT RUN " substr($0, 6) }
/^NOT RUN: / { skipped++; ignored = ignored "\n  NOT RUN " substr($0, 10) }
/^test result: / {
    programs++
    gsub(";", "")
    for (i = 2; i <= NF; i++) count[$i] += $(i - 1)
}
/^error(\[|:)/ && !/test failed|target.* failed/ { broken = broken "\n  ERROR   " $0 }
END {
    # A test that says NOT RUN has returned without a failure, which its program counts as passed.
    print "summary: " count["passed"] - skipped " tests passed, " count["failed"] + 0 " failed, " \
        count["ignored"] + skipped + 0 " not run, in " programs + 0 " test programs" failed ignored broken
}
