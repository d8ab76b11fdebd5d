"""Talk with coding agents over the Agent Client Protocol, whatever they say."""
