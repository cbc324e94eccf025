package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor time in /proc (clock ticks, 100 a second on Linux whatever the kernel's own are).
const tick = 10 * time.Millisecond

// usage is what a process has used, from Linux' /proc/PID/stat (proc(5)).
type usage struct {
	parent        int
	own, children time.Duration // of processor time; children that have ended
}

func usageOf(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("read what the process has used: %w", err)
	}
	// pid (name) state ppid ...: the name may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	number := func(place int) int { // as proc(5) counts them, of which two are cut off
		n, _ := strconv.Atoi(fields[place-3]) // the kernel writes numbers
		return n
	}
	return usage{
		parent: number(4), own: time.Duration(number(14)+number(15)) * tick, children: time.Duration(number(16)+number(17)) * tick,
	}, nil
}

// familyCPU is what a process and all its children have used, those that have ended too.
func familyCPU(pid int) (time.Duration, error) {
	for {
		before, err := usageOf(pid)
		if err != nil {
			return 0, err
		}
		total, err := childrenCPU(pid)
		if err != nil {
			return 0, err
		}
		after, err := usageOf(pid)
		if err != nil || after.children == before.children { // else one has ended meanwhile, and may be missing
			return after.own + after.children + total, err
		}
	}
}

func childrenCPU(pid int) (total time.Duration, err error) {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, fmt.Errorf("list processes: %w", err)
	}
	for _, dir := range all {
		child, _ := strconv.Atoi(filepath.Base(dir)) // as globbed
		if u, err := usageOf(child); err == nil && u.parent == pid {
			total += u.own + u.children
		}
	}
	return total, nil
}

// forgetPeak lets peakMemory begin anew (proc(5), clear_refs).
func forgetPeak(pid int) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("forget the peak of memory: %w", err)
	}
	return nil
}

// peakMemory is the most memory that a process has had resident, in bytes.
func peakMemory(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the peak of memory: %w", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kilobytes, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the peak of memory: %w", err)
	}
	return n << 10, nil
}

// privateMemory is what a process has resident that it shares with no other, in bytes (proc(5), smaps_rollup).
func privateMemory(pid int) (int64, error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of a process: %w", err)
	}
	var sum int64
	for line := range strings.Lines(string(rollup)) {
		var kilobytes int64
		if name, rest, _ := strings.Cut(line, ":"); name == "Private_Clean" || name == "Private_Dirty" {
			_, _ = fmt.Sscan(rest, &kilobytes) // as proc(5) has it
			sum += kilobytes << 10
		}
	}
	return sum, nil
}
