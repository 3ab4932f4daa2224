package command

import (
	"os"
	"path/filepath"
)

// loginDir is where everything is that came of logins with an access key.
func loginDir(cl *client, socket string) string {
	dir, name := cacheDir(), named(cl.endpoint, socket, cl.credentials.AccessKeyID)
	if dir == "" || name == "" {
		return ""
	}
	return filepath.Join(dir, "login-"+name)
}

// loginCache is what a login by this method left.
func loginCache(cl *client, socket, method string) credentialsCache {
	dir := loginDir(cl, socket)
	if dir == "" {
		return ""
	}
	return credentialsCache(filepath.Join(dir, method+".json"))
}

// forgetLogins removes what came of logins, and says of how many files.
func forgetLogins(cl *client, socket string) (n int, err error) {
	dir := loginDir(cl, socket)
	if dir == "" {
		return 0, nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
