package command

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// spare is how long before their end kept credentials are made anew: longer
// than any call, shorter than the shortest session.
const spare = 5 * time.Minute

// maxCached bounds what is read of a file in the cache.
const maxCached = 64 << 10

// credentialsCache is the file that keeps one set of credentials; "" keeps nothing.
type credentialsCache string

// cacheDir is where all of them are; "" if there is no place.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "keyctl")
}

// named is a name that no other facts have.
func named(facts ...any) string {
	text, err := json.Marshal(facts)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// cacheFor names the file after all that the credentials of a role depend on: who
// asks, whom, and for what. Another access key never finds them. Those of MFA are
// with their login, to be forgotten with it.
func cacheFor(cl *client, o credentialsOptions, text *string) credentialsCache {
	dir := cacheDir()
	if o.mfa.method != "" {
		dir = loginDir(cl)
	}
	name := named(cl.endpoint, cl.socketPath(), cl.credentials.AccessKeyID, o.role, o.sessionName, o.externalID, o.duration, iamTags(o.tags),
		aws.ToString(text), o.mfa.method, o.mfa.deviceName())
	if dir == "" || name == "" {
		return ""
	}
	return credentialsCache(filepath.Join(dir, name+".json"))
}

// orMake returns what is kept, or makes it and keeps it. With anew it forgets
// first, and keeps nothing.
func (k credentialsCache) orMake(anew bool, fresh func() (processDoc, error)) (processDoc, error) {
	if anew {
		k.forget()
	} else if doc, ok := k.load(time.Now()); ok {
		return doc, nil
	}
	doc, err := fresh()
	if err == nil && !anew {
		// Credentials that cannot be kept are good all the same.
		_ = k.save(doc)
	}
	return doc, err
}

// lock keeps other programs from making the same credentials until unlock is
// called: a person touches the key once. Without it they only ask twice.
func (k credentialsCache) lock() (unlock func()) {
	if k == "" || os.MkdirAll(filepath.Dir(string(k)), 0o700) != nil {
		return func() {}
	}
	f, err := os.OpenFile(string(k)+".lock", os.O_CREATE|os.O_RDONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return func() {}
	}
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	return func() { _ = f.Close() }
}

// load returns what is kept, if it lasts long enough yet. A file that is not
// ours alone was not written by save, and is not believed.
func (k credentialsCache) load(now time.Time) (doc processDoc, ok bool) {
	f, err := os.OpenFile(string(k), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return doc, false
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil || info.Mode() != 0o600 {
		return doc, false
	}
	if owner, known := info.Sys().(*syscall.Stat_t); !known || int(owner.Uid) != os.Geteuid() {
		return doc, false
	}
	text, err := readAtMost(f, maxCached)
	if err != nil || json.Unmarshal(text, &doc) != nil {
		return processDoc{}, false
	}
	return doc, doc.Version == 1 && doc.AccessKeyID != "" && doc.Expiration.Sub(now) > spare
}

func (k credentialsCache) save(doc processDoc) error {
	if k == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(string(k)), 0o700); err != nil {
		return err
	}
	var text strings.Builder
	if err := json.NewEncoder(&text).Encode(doc); err != nil {
		return err
	}
	return writeFile(string(k), []byte(text.String()))
}

// forget removes what is kept, if there is anything.
func (k credentialsCache) forget() {
	if k != "" {
		_ = os.Remove(string(k))
	}
}
