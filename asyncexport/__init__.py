"""Every Amazon Ads export of every profile you manage, in one call or one command."""
