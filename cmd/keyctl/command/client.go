package command

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
)

// defaultRegion is keyd's own when none is configured.
const defaultRegion = "local-1"

// Three attempts with short pauses: a person waits.
const (
	maxAttempts = 3
	maxPause    = 400 * time.Millisecond
)

// client speaks to one keyd as one caller.
type client struct {
	kms *kms.Client
	iam *iam.Client
	sts *sts.Client
	mfa mfaAPI

	// credentials are what signs, and endpoint where it goes.
	credentials aws.Credentials
	endpoint    string
	socket      string // "" where no socket leads there
}

// connect reads the configuration and makes the clients; nothing is sent yet.
func (c *cli) connect(ctx context.Context) (*client, error) {
	endpoint, socket, err := c.locate(ctx)
	if err != nil {
		return nil, err
	}
	// The endpoint is an option of the load as well, so that whatever the
	// credentials need (AssumeRole in a profile) is asked of keyd, not of AWS.
	cfg, err := c.load(ctx, config.WithBaseEndpoint(endpoint), config.WithHTTPClient(transport(socket)))
	if err != nil {
		return nil, err
	}
	cl, err := c.clientOf(ctx, cfg, endpoint)
	if err != nil {
		return nil, err
	}
	cl.socket = socket
	return cl, nil
}

// clientOf makes the clients of a configuration.
func (c *cli) clientOf(ctx context.Context, cfg aws.Config, endpoint string) (*client, error) {
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, c.credentialsMissing(err)
	}
	return &client{
		kms: kms.NewFromConfig(cfg, func(o *kms.Options) { o.BaseEndpoint = &endpoint }),
		iam: iam.NewFromConfig(cfg, func(o *iam.Options) { o.BaseEndpoint = &endpoint }),
		sts: sts.NewFromConfig(cfg, func(o *sts.Options) { o.BaseEndpoint = &endpoint }),
		mfa: mfaAPI{cfg, endpoint, c.timeout},

		credentials: credentials, endpoint: endpoint,
	}, nil
}

// as makes the clients of the same keyd for a session.
func (cl *client) as(ctx context.Context, c *cli, session processDoc) (*client, error) {
	cfg := cl.mfa.cfg.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(session.AccessKeyID, session.SecretAccessKey, session.SessionToken)
	as, err := c.clientOf(ctx, cfg, cl.endpoint)
	if err != nil {
		return nil, err
	}
	as.socket = cl.socket
	return as, nil
}

// credentialsMissing says where there are none. The SDK's own words for that
// speak of EC2.
func (c *cli) credentialsMissing(err error) error {
	if f := explainConnection(err); f != nil {
		return f
	}
	if profile := cmp.Or(c.profile, os.Getenv("AWS_PROFILE")); profile != "" {
		return failf(exitRefused, "give it aws_access_key_id and aws_secret_access_key: aws configure --profile "+profile,
			"credentials: none in profile %q", profile)
	}
	return failf(exitRefused, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a --profile", "credentials: none found")
}

// load reads the standard AWS configuration. The EC2 metadata service is never
// asked: its credentials are Amazon's, and keyd does not know them.
func (c *cli) load(ctx context.Context, options ...func(*config.LoadOptions) error) (aws.Config, error) {
	options = append(options,
		config.WithSharedConfigProfile(c.profile),
		config.WithRegion(c.region),
		config.WithDefaultRegion(defaultRegion),
		config.WithEC2IMDSClientEnableState(imds.ClientDisabled),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.MaxBackoff = maxAttempts, maxPause
			})
		}),
		config.WithAPIOptions([]func(*middleware.Stack) error{c.limitTime}),
	)
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return cfg, usagef("see ~/.aws/config, or the file that AWS_CONFIG_FILE names", "profile %q: not found", missing.Profile)
	}
	if err != nil {
		return cfg, usage(err, "check ~/.aws/config and ~/.aws/credentials")
	}
	return cfg, nil
}

// limitTime bounds each call, its retries included, by --timeout.
func (c *cli) limitTime(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("KeyctlTimeout",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			ctx, cancel := context.WithTimeout(ctx, c.timeout)
			defer cancel()
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
}

// locate says where keyd is: a URL and, if it is to be reached there, a Unix
// socket. Flags come first, then the AWS configuration, then KEYD_SOCKET.
func (c *cli) locate(ctx context.Context) (endpoint, socket string, err error) {
	switch {
	case c.socket != "":
		return socketURL, c.socket, nil
	case c.endpoint != "":
		return c.endpoint, "", checkEndpoint(c.endpoint)
	}
	cfg, err := c.load(ctx)
	if err != nil {
		return "", "", err
	}
	if configured := kms.NewFromConfig(cfg).Options().BaseEndpoint; configured != nil {
		return *configured, "", checkEndpoint(*configured)
	}
	if path := os.Getenv("KEYD_SOCKET"); path != "" {
		return socketURL, path, nil
	}
	return "", "", usagef(`name it with --endpoint URL or --socket PATH, or set AWS_ENDPOINT_URL; "keyd dev --dir DIR" writes them to DIR/env`,
		"no endpoint configured: keyctl does not know where keyd is")
}

// socketURL stands in the requests that travel over a socket: HTTP needs a host.
const socketURL = "http://localhost"

// checkEndpoint refuses to send plaintexts in clear over a network. Keyd
// itself serves plain HTTP on loopback only.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return usagef("for example https://keyd.example:8443", "endpoint %q: not an http or https URL", endpoint)
	}
	if u.User != nil {
		return usagef("credentials come from the AWS configuration", "endpoint: a URL with a user or password")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usagef("use https://, or a tunnel to an address of this machine",
			"endpoint %q: plain HTTP would show plaintexts to the network", endpoint)
	}
	return nil
}

// transport is the SDK's HTTP client, which also reads AWS_CA_BUNDLE; over a
// socket it goes to no proxy.
func transport(socket string) *awshttp.BuildableClient {
	hc := awshttp.NewBuildableClient()
	if socket == "" {
		return hc
	}
	return hc.WithTransportOptions(func(t *http.Transport) {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		}
	})
}
