package command

import (
	"fmt"
	"strconv"
	"strings"
)

// window is a deletion's waiting time, in days.
type window int32

// What KMS accepts. The longest is the default, as in AWS: haste is a choice.
const (
	minWindow window = 7
	maxWindow window = 30
)

func (w *window) String() string { return fmt.Sprintf("%dd", *w) }
func (w *window) Type() string   { return "time" }

// Set accepts days (7d, 7) and weeks (2w).
func (w *window) Set(s string) error {
	digits, unit := s, 1
	if d, ok := strings.CutSuffix(s, "d"); ok {
		digits = d
	} else if d, ok := strings.CutSuffix(s, "w"); ok {
		digits, unit = d, 7
	}
	// 16 bits hold every number that could be right, and no sum overflows.
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return fmt.Errorf("must be days or weeks, such as 7d, 7 or 2w")
	}
	days := window(int(n) * unit)
	if days < minWindow || days > maxWindow {
		return fmt.Errorf("must be 7 to 30 days")
	}
	*w = days
	return nil
}
