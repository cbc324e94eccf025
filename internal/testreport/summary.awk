# Sums up the figures of a test run (package testreport) and prints them in one line.
{ sum[$1] += $2 }
END {
	n = split("operations|examples replayed|statuses of the document got|constraints exercised|constraints caught|responses validated|Schemathesis cases", order, "|")
	for (i = 1; i <= n; i++)
		if (order[i] in sum)
			line = line (line == "" ? "" : " · ") order[i] " " sum[order[i]]
	print "The contract: " line " · failures " sum["failures"] + 0
}
