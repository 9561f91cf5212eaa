// Runs Azurite inside this process for as long as the parent holds our standard input open, however the parent ends.
const goOn = () => {};

// Ctrl+C reaches the whole terminal group, but the parent still needs its storage while it drains: only it decides the end.
const once = process.once.bind(process);
process.once = (event, listener) => (event === 'SIGINT' || event === 'SIGTERM' ? process : once(event, listener));
process.on('SIGINT', goOn);
process.on('SIGTERM', goOn);

// When the parent is gone so are its pipes; a failed write must not stop Azurite from saving.
process.stdout.on('error', goOn);
process.stderr.on('error', goOn);

process.stdin.resume();
process.stdin.on('close', () => {
  process.emit('message', 'shutdown');
  setTimeout(() => process.exit(0), 5000).unref();
});

require(require('path').resolve(process.argv[1]));
