package clients_test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// TestJavaScript runs js/kms.mjs, which calls the operations that programs use
// most through @aws-sdk/client-kms, and looks at the types of the errors.
func TestJavaScript(t *testing.T) {
	key, other := newKey(t), newKey(t)
	pair := newKeyOf(t, types.KeySpecRsa2048, types.KeyUsageTypeSignVerify)
	mac := newKeyOf(t, types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac)
	disable(t, other)
	actAs(t, "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:ListKeys",
		"kms:Sign", "kms:Verify", "kms:GetPublicKey", "kms:GenerateMac", "kms:VerifyMac")
	if _, err := javascript(t).run("", "kms.mjs", key, pair, mac, other); err != nil {
		t.Error(err)
	}
}

// node runs the programs in js.
type node struct{ ctx context.Context }

// installed fetches the packages that js/package-lock.json names, once.
var installed = sync.OnceValue(func() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
	cmd.Dir = "js"
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
})

// javascript returns Node.js, with the packages in place.
func javascript(t *testing.T) node {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not installed: Debian has it in the packages nodejs and npm", tool)
		}
	}
	if err := installed(); err != nil {
		t.Fatal(err)
	}
	return node{t.Context()}
}

// run gives a program its input and returns its output. What the program says
// about a failure is in the error.
func (n node) run(input string, args ...string) (string, error) {
	cmd := exec.CommandContext(n.ctx, "node", args...)
	cmd.Dir, cmd.Stdin = "js", strings.NewReader(input)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("node %s: %w\n%s", strings.Join(args, " "), err, &said)
	}
	return string(out), nil
}
