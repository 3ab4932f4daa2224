package bolt

import (
	"slices"
	"strings"
	"sync"
)

// watches are the callbacks that hear of commits.
type watches struct {
	mu   sync.Mutex
	list []*watch // guarded by mu; replaced, never changed in place
}

type watch struct {
	prefix  string
	changed func(keys []string)
}

// Watch implements store.DB. Callbacks run on the goroutine of the Update, one
// commit after the other, in the order in which the watches were made.
func (d *DB) Watch(prefix string, changed func(keys []string)) (stop func()) {
	w := &watch{prefix, changed}
	d.watches.mu.Lock()
	defer d.watches.mu.Unlock()
	d.watches.list = append(slices.Clip(d.watches.list), w)
	return func() { d.watches.remove(w) }
}

func (ws *watches) remove(w *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.list = slices.DeleteFunc(slices.Clone(ws.list), func(o *watch) bool { return o == w })
}

// tell calls each watch with the changed keys under its prefix, sorted.
func (ws *watches) tell(changed map[string]struct{}) {
	ws.mu.Lock()
	list := ws.list
	ws.mu.Unlock()
	for _, w := range list {
		var keys []string
		for k := range changed {
			if strings.HasPrefix(k, w.prefix) {
				keys = append(keys, k)
			}
		}
		if len(keys) > 0 {
			slices.Sort(keys)
			w.changed(keys)
		}
	}
}
