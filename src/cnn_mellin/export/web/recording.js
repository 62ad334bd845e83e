// Recording from the microphone, as samples at its own sample rate.

/**
 * Start to record; `onSamples(block)` is called for each block of samples, full scale 1.
 *
 * Gives {rateHz, stop}; `stop()` releases the microphone.
 */
export async function startRecording(onSamples) {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers open the microphone only for https:// and http://localhost addresses; choose a file.");
  }
  // What browsers do for telephony would change the sound that the model was trained on.
  const plain = {channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false};
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({audio: plain});
  } catch (error) {
    throw new Error(`The microphone cannot be used (${error.message}); allow it for this page, or choose a file.`);
  }
  const context = new AudioContext();
  const stop = () => {
    stream.getTracks().forEach(track => track.stop());
    context.close();
  };
  try {
    await context.audioWorklet.addModule("recording_worklet.js");
    const node = new AudioWorkletNode(context, "recorder", {channelCount: 1, channelCountMode: "explicit"});
    node.port.onmessage = ({data}) => onSamples(data);
    context.createMediaStreamSource(stream).connect(node).connect(context.destination); // silent, but keeps it running
    await context.resume();
  } catch (error) {
    stop();
    throw error;
  }
  return {rateHz: context.sampleRate, stop};
}
