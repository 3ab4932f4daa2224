package pivtest

import "sync"

// hand is the person who touches the card when it blinks.
type hand struct {
	mu     sync.Mutex  // guards what follows; not held while the answer is awaited
	answer func() bool // nil gives the touch
	asked  int
}

func (h *hand) touch() bool {
	h.mu.Lock()
	h.asked++
	answer := h.answer
	h.mu.Unlock()
	return answer == nil || answer()
}

// Touch sets what happens when the card asks for a touch: it is given, as it is
// by default, or withheld.
func (c *Card) Touch(given bool) {
	c.OnTouch(func() bool { return given })
}

// OnTouch sets what answers when the card asks for a touch. The card waits for
// it in the middle of a command, and so does the program that sent that; answer
// may pull the card with [Card.Eject], but not speak to it.
func (c *Card) OnTouch(answer func() bool) {
	c.hand.mu.Lock()
	defer c.hand.mu.Unlock()
	c.hand.answer = answer
}

// TouchesAsked returns how many times the card has asked for a touch.
func (c *Card) TouchesAsked() int {
	c.hand.mu.Lock()
	defer c.hand.mu.Unlock()
	return c.hand.asked
}
