package testkit

import (
	"github.com/aws/aws-sdk-go-v2/credentials"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyd-hsm/keyd/iam"
)

// IAM is AWS's client for the appliance as the root user, without retries.
func (k *Kit) IAM() *iamclient.Client { return k.IAMAs(k.Credentials) }

// IAMAs is IAM for somebody else's access key.
func (k *Kit) IAMAs(c iam.Credentials) *iamclient.Client {
	return iamclient.New(iamclient.Options{
		BaseEndpoint: &k.URL, Region: "us-east-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(c.ID, string(c.Secret), ""),
	})
}
