package command

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// door is what the listeners of a daemon serve: the appliance while it is open, and
// word that it is sealed while it is not. One whose token is always open, as a
// PKCS#11 token is, has a door that never shuts.
type door struct {
	mu sync.Mutex // guards what follows
	in *inside    // nil while sealed
}

// inside is an open appliance and the requests that are in it.
type inside struct {
	a        *appliance
	requests sync.WaitGroup
}

// openDoor is a door that stands open.
func openDoor(a *appliance) *door { return &door{in: &inside{a: a}} }

// open lets requests in.
func (d *door) open(a *appliance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.in = &inside{a: a}
}

// shut turns new requests away. What it returns waits for those that are in, and
// may be called when the door was shut before.
func (d *door) shut() (wait func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.in
	d.in = nil
	if in == nil {
		return func() {}
	}
	return in.requests.Wait
}

// enter is the appliance for one request, which calls leave when it is done; nil
// while sealed.
func (d *door) enter() (a *appliance, leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.in == nil {
		return nil, func() {}
	}
	d.in.requests.Add(1)
	return d.in.a, d.in.requests.Done
}

// through serves what pick finds in the open appliance, and else sealed.
func (d *door) through(pick func(*appliance) http.Handler, sealed http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, leave := d.enter()
		defer leave()
		if a == nil {
			sealed.ServeHTTP(w, r)
			return
		}
		pick(a).ServeHTTP(w, r)
	})
}

// errSealed is what readiness says of a sealed daemon.
var errSealed = errors.New("sealed: the token waits for its PIN (keyctl unseal)")

// ready reports why the daemon cannot do its work now, nil if it can.
func (d *door) ready(ctx context.Context) error {
	a, leave := d.enter()
	defer leave()
	if a == nil {
		return errSealed
	}
	return a.ready(ctx)
}
