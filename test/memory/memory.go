// Package memory owns how tests and measurements read what memory a process of this machine has.
package memory

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// What to ask for: what a process has now, and the most it ever had.
const (
	Now  = "VmRSS"
	Peak = "VmHWM"
)

// Of is what the kernel says of a process, in bytes.
func Of(pid int, what string) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == what+":" {
			kilobytes, err := strconv.Atoi(fields[1])
			if err != nil {
				return 0, fmt.Errorf("the memory of process %d: %w", pid, err)
			}
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("process %d does not tell %s", pid, what)
}
