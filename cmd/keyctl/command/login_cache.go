package command

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// socketPath is the socket that leads to keyd, by the name that it has everywhere.
func (cl *client) socketPath() string {
	if path, err := filepath.Abs(cl.socket); err == nil && cl.socket != "" {
		return path
	}
	return cl.socket
}

// loginDir is where everything is that came of logins with an access key.
func loginDir(cl *client) string {
	dir, name := cacheDir(), named(cl.endpoint, cl.socketPath(), cl.credentials.AccessKeyID)
	if dir == "" || name == "" {
		return ""
	}
	return filepath.Join(dir, "login-"+name)
}

// deviceName is the device that was asked for, whichever way it was named; "" if
// none was.
func (o loginOptions) deviceName() string {
	if _, name, ok := strings.Cut(o.device, ":mfa/"); ok {
		return name
	}
	return strings.TrimPrefix(o.device, "/")
}

// loginCache is what logins of one kind left: METHOD.DEVICE.SECONDS.json each, with
// what they were asked for. A device that was not named, and a duration that was
// not given, stand there as such.
type loginCache struct {
	dir      string // "" keeps nothing
	method   string
	device   string
	duration time.Duration
}

func newLoginCache(cl *client, o loginOptions) loginCache {
	return loginCache{loginDir(cl), o.method, o.deviceName(), o.duration}
}

// name is the name of a file, or of several where device or seconds is "*".
func (k loginCache) name(device, seconds string) string {
	return filepath.Join(k.dir, k.method+"."+device+"."+seconds+".json")
}

// own is the file of just this login.
func (k loginCache) own() credentialsCache {
	device := named(k.device)
	if k.dir == "" || device == "" {
		return ""
	}
	return credentialsCache(k.name(device, strconv.FormatInt(int64(k.duration/time.Second), 10)))
}

// fitting are the files that serve who asks so: a device that is named must be the
// one that the login named, since policies can tell devices apart; and a duration
// that is given the same. Its own comes first.
func (k loginCache) fitting() []credentialsCache {
	own := k.own()
	if own == "" {
		return nil
	}
	device, seconds := "*", "*"
	if k.device != "" {
		device = named(k.device)
	}
	if k.duration != 0 {
		seconds = strconv.FormatInt(int64(k.duration/time.Second), 10)
	}
	// The directory may have any name; only what is in it is a pattern.
	names, err := fs.Glob(os.DirFS(k.dir), filepath.Base(k.name(device, seconds)))
	if err != nil {
		return []credentialsCache{own}
	}
	files := []credentialsCache{own}
	for _, name := range names {
		if file := credentialsCache(filepath.Join(k.dir, name)); file != own {
			files = append(files, file)
		}
	}
	return files
}

// load returns what is kept and fits.
func (k loginCache) load(now time.Time) (processDoc, bool) {
	for _, file := range k.fitting() {
		if doc, ok := file.load(now); ok {
			return doc, true
		}
	}
	return processDoc{}, false
}

// forget removes all that fits.
func (k loginCache) forget() {
	for _, file := range k.fitting() {
		file.forget()
	}
}

// lock is that of all logins by this method: a person does one at a time.
func (k loginCache) lock() (unlock func()) {
	if k.dir == "" {
		return func() {}
	}
	return credentialsCache(filepath.Join(k.dir, k.method)).lock()
}

// forgetLogins removes what came of logins, and says of how many credentials. What a
// crash in the middle of save left goes with them. Locks stay: who holds one would
// not keep out who makes it anew.
func forgetLogins(cl *client) (n int, err error) {
	dir := loginDir(cl)
	if dir == "" {
		return 0, nil
	}
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var left error
	for _, file := range files {
		if filepath.Ext(file.Name()) == ".lock" {
			continue
		}
		gone := os.Remove(filepath.Join(dir, file.Name()))
		left = cmp.Or(left, gone)
		if gone == nil && !strings.HasPrefix(file.Name(), ".") {
			n++
		}
	}
	return n, cmp.Or(err, left)
}
