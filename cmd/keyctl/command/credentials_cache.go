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

// credentialsCache is the file that keeps one role's credentials; "" keeps nothing.
type credentialsCache string

// cacheFor names the file after all that the credentials depend on: who asks,
// whom, and for what. Another access key never finds them.
func cacheFor(cl *client, socket string, o assumeOptions, text *string) credentialsCache {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	facts, err := json.Marshal([]any{
		cl.endpoint, socket, cl.credentials.AccessKeyID, o.role, o.sessionName, o.externalID, o.duration, iamTags(o.tags), aws.ToString(text),
	})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(facts)
	return credentialsCache(filepath.Join(dir, "keyctl", hex.EncodeToString(sum[:16])+".json"))
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
